# alphabar: `make demo` and `make test` do all the set-up that they need.

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
# CPU-only torch from PyTorch's own index: make demo TORCH_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
TORCH_ARGS ?=
# How many processes run the tests.
JOBS ?= 2
# How many times as many random cases test-all tries.
FUZZ ?= 1
# How often test-faults tries each fault: SIGKILLs of a training, changes of the file system before which it is killed,
# polite signals, SIGKILLs of a sampling job; and the steps of the training whose memory is watched.
KILLS ?= 100
EVENTS ?= 1000
SIGNALS ?= 50
JOB_KILLS ?= 20
STEPS ?= 10000
# Where the page links to the equations, if not to GitHub: a book that holds the page says ../paper_to_code/
BOOK ?=
# What bench is asked, and where it leaves its figures.
BENCH ?= --json speed.json

BIN := $(VENV)/bin
RUN := demo/ddpm_digits

.PHONY: demo web test test-all test-faults lint docs site bench gpu clean
.DELETE_ON_ERROR:

# One thread: this network is too small to gain from more, and on busy cores it would lose.
demo: $(VENV)/.core
	OMP_NUM_THREADS=1 $(BIN)/alphabar sample fashion-mnist --num 64 --out demo/garments
	OMP_NUM_THREADS=1 $(BIN)/alphabar train ddpm_digits --run $(RUN)
	OMP_NUM_THREADS=1 $(BIN)/alphabar sample $(RUN) --num 64 --out demo/samples
	@echo
	@echo "samples of the bundled model    demo/garments/grid.png"
	@echo "digits sampled from your model  demo/samples/grid.png"
	@echo "how noise became digits         demo/samples/film.gif"
	@echo "the training loss               $(RUN)/loss.png"
	@echo
	@echo "next, on a folder of your own images:"
	@echo "  $(BIN)/alphabar data inspect PHOTOS"
	@echo "  $(BIN)/alphabar train folder --data PHOTOS --minutes 60"

# The bundled model in a page that samples it in the browser; npm fetches onnxruntime-web, once.
web: $(VENV)/.onnx
	rm -rf demo/web
	OMP_NUM_THREADS=1 $(BIN)/alphabar export fashion-mnist demo/web --to web
	@if [ -n "$(BOOK)" ]; then \
	  sed -i.old 's|name="book" content="[^"]*"|name="book" content="$(BOOK)"|' demo/web/index.html && rm demo/web/index.html.old; \
	fi
	@echo
	@echo "look at it    $(BIN)/python -m http.server --directory demo/web"
	@echo "              and open http://localhost:8000"

# Each of the two processes holds torch. A test that is `heavy` runs in test-all alone, and all others run in both.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not heavy"

# All but the faults, which test-faults provokes more often.
test-all: $(VENV)/.dev
	FUZZ=$(FUZZ) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/faults

# Kills, signals and other faults at random moments, as often as said above; docs/reliability.md says what is tried.
test-faults: $(VENV)/.dev
	FAULTS_KILLS=$(KILLS) FAULTS_EVENTS=$(EVENTS) FAULTS_SIGNALS=$(SIGNALS) FAULTS_JOB_KILLS=$(JOB_KILLS) \
	FAULTS_STEPS=$(STEPS) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/faults

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The book, into site/; a broken link or anchor is an error. Read it: python -m http.server -d site
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# All that a host of static files needs: the book, and in site/web the page that samples the bundled model.
site: docs
	$(MAKE) web BOOK=../paper_to_code.html
	rm -rf site/web && cp -r demo/web site/web

# Turns of alphabar, other packages and bare convolutions: BENCH="--rows train-1.1M --rounds 3"; about 20 minutes for all.
bench: $(VENV)/.interop
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.speed $(BENCH)

# On a machine with an NVIDIA GPU: what it computes against the CPU, and how fast; docs/gpu.md says more.
gpu: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gpu --json gpu.json

clean:
	rm -rf $(VENV) demo build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

# torch comes first and is then held fixed, so that no other package trades it for another build.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "alphabar needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV) || { echo "the venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check $(TORCH_ARGS) "$(TORCH)"
	$(BIN)/python -c 'import torch; print("torch==" + torch.__version__.split("+")[0])' > $@

INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -c $(VENV)/.torch

$(VENV)/.core: $(VENV)/.torch pyproject.toml
	$(INSTALL) -e .
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(INSTALL) -e '.[dev,evaluation,interop,onnx,openvino,compression,app,trackio,wandb,mlflow,notebooks]'
	touch $@ $(VENV)/.core

$(VENV)/.onnx: $(VENV)/.torch pyproject.toml
	$(INSTALL) -e '.[onnx]'
	touch $@ $(VENV)/.core

$(VENV)/.docs: $(VENV)/.torch pyproject.toml
	$(INSTALL) -e '.[docs]'
	touch $@ $(VENV)/.core

$(VENV)/.interop: $(VENV)/.torch pyproject.toml
	$(INSTALL) -e '.[interop]'
	touch $@ $(VENV)/.core
