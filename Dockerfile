# alphabar on a CPU: docker build -t alphabar . && docker run --rm -v "$PWD/demo:/work/demo" alphabar
# On a GPU:  docker build -t alphabar --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#            docker run --rm --gpus all -v "$PWD:/work" alphabar alphabar train folder --data PHOTOS
ARG PYTHON=3.13
FROM python:${PYTHON}-slim

ARG TORCH=torch==2.13.0
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 HF_HUB_DISABLE_TELEMETRY=1

WORKDIR /opt/alphabar
# torch comes first and is then held fixed, as in the Makefile; a change of the source does not install it again.
COPY constraints.txt ./
RUN pip install --quiet --extra-index-url "$TORCH_INDEX" "$TORCH" \
 && python -c 'import torch; print("torch==" + torch.__version__.split("+")[0])' > torch.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --quiet -c constraints.txt -c torch.txt .

# What runs is not root, and writes into /work alone. Give -u "$(id -u):$(id -g)" where the mounted folder is yours.
RUN useradd --create-home --uid 1000 alphabar && mkdir -p /work/demo && chown -R alphabar /work
USER alphabar
WORKDIR /work
CMD ["sh", "-c", "OMP_NUM_THREADS=1 alphabar sample fashion-mnist --num 64 --out demo/garments && OMP_NUM_THREADS=1 alphabar train ddpm_digits --run demo/ddpm_digits && OMP_NUM_THREADS=1 alphabar sample demo/ddpm_digits --num 64 --out demo/samples"]
