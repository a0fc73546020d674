"""The book: its table of contents is whole, its equations are all there, and what it names exists."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from test_docs import quoted, resolve

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DERIVED = ("ddpm.md", "ddpm_bound.md", "improved_ddpm.md")


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def script(name: str):
    """A module of scripts/book, loaded as MkDocs loads its hooks."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / "book" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # a dataclass looks its module up there
    spec.loader.exec_module(module)
    return module


def hooks():
    return script("hooks")


def numbered(page: str) -> set[int]:
    """The numbers of the equations that a page derives: those of its headings, "Eq. 4 to 7" being four."""
    found: set[int] = set()
    for heading in re.findall(r"^## (Eq\..*?):", read(page), re.M):
        first, *more = map(int, re.findall(r"\d+", heading))
        last = more[0] if more else first
        assert not more or " to " in heading or last == first + 1, heading
        found |= set(range(first, last + 1))
    return found


def test_the_table_of_contents_has_every_page_once() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    listed = re.findall(r"^\s*- (?:[^#:\n]+: )?(\S+\.md)$", nav, re.M)
    there = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert set(listed) == there, set(listed) ^ there
    assert len(listed) == len(there)


def test_every_numbered_equation_of_both_papers_is_derived() -> None:
    assert numbered("ddpm.md") == set(range(1, 17))
    assert numbered("ddpm_bound.md") == set(range(17, 27))
    assert numbered("improved_ddpm.md") == set(range(1, 20))


def test_every_numbered_equation_has_its_row_in_paper_to_code() -> None:
    rows = re.split(r"^\| (?:DDPM|Improved DDPM|other papers) ", read("paper_to_code.md"), flags=re.M)[1:3]
    for table, last in zip(rows, (26, 19), strict=True):
        cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")]
        text = " ".join(re.sub(r"\]\([^)]*\)", "", cell) for cell in cells if "Eq. " in cell)
        spans = [(int(a), int(b or a)) for a, b in re.findall(r"(\d+)(?:–(\d+))?", re.sub(r"§[\d.]+", "", text))]
        assert {n for a, b in spans for n in range(a, b + 1)} >= set(range(1, last + 1))


@pytest.mark.parametrize("page", DERIVED)
def test_every_function_that_a_derivation_names_exists(page: str) -> None:
    lines = re.findall(r"^In code: (.*)$", read(page), re.M)
    assert len(lines) == len(re.findall(r"^## (?:Eq\.|§)", read(page), re.M))
    for name in quoted(" ".join(lines)):
        resolve(name)


@pytest.mark.parametrize("page", DERIVED)
def test_every_test_that_a_derivation_names_exists(page: str) -> None:
    lines = re.findall(r"^Tests: (.*)$", read(page), re.M)
    assert len(lines) == len(re.findall(r"^## (?:Eq\.|§)", read(page), re.M))
    for name in quoted(" ".join(lines)):
        file, _, test = name.partition("::")
        assert f"def {test}" in (ROOT / file).read_text(encoding="utf-8"), name


def test_a_link_out_of_the_book_leads_to_the_repository() -> None:
    to_repository = hooks().to_repository
    page = DOCS / "results" / "steps.md"
    markdown = "[a](../../src/alphabar) [b](../../README.md#x) [c](../training.md#y) [d](https://x.y/z) [e](nowhere.md)"
    assert to_repository(markdown, page, DOCS).split(" ") == [
        "[a](https://github.com/alphabar/alphabar/tree/main/src/alphabar)",
        "[b](https://github.com/alphabar/alphabar/blob/main/README.md#x)",
        "[c](../training.md#y)",
        "[d](https://x.y/z)",
        "[e](nowhere.md)",
    ]


def test_mathematics_gets_subscripts_and_code_does_not() -> None:
    html = hooks().with_mathematics
    assert html("<p>x_{t−1} and √ᾱ_t, Σ_{t>1}, x̂_0, L_vlb</p>") == (
        "<p>x<sub>t−1</sub> and √ᾱ<sub>t</sub>, Σ<sub>t>1</sub>, x̂<sub>0</sub>, L<sub>vlb</sub></p>"
    )
    assert html("β_{S_t}, dx_{1:T}, σ^{2/3}") == "β<sub>S<sub>t</sub></sub>, dx<sub>1:T</sub>, σ<sup>2/3</sup>"
    for same in (
        "<code>x_t</code>",
        "<pre><code>a_{b}</code></pre>",
        "own_images.md fixed_small",
        '<a title="x_t">y</a>',
    ):
        assert html(same) == same
    block = '<div class="language-text highlight"><pre><span></span><code>x_t | x_0\n</code></pre></div>'
    assert html(block) == '<div class="formula">x<sub>t</sub> | x<sub>0</sub>\n</div>'


def test_names_in_the_pages_of_equations_lead_to_the_api() -> None:
    book = hooks()
    api = '<h3 id="alphabar.diffusion.process.q_sample"></h3><h3 id="alphabar.a.f"></h3><h3 id="alphabar.b.f"></h3>'
    names = book.places({"api/diffusion.html": api})
    assert "f" not in names and "a.f" in names
    link = '<a href="api/diffusion.html#alphabar.diffusion.process.q_sample"><code>q_sample</code></a>'
    assert book.linked("<code>q_sample</code> <code>f</code>", "ddpm.html", names) == link + " <code>f</code>"
    assert '"../api/diffusion.html#' in book.linked("<code>q_sample</code>", "results/steps.html", names)


def test_what_a_page_loads_from_another_host_is_found() -> None:
    loaded = hooks().from_other_hosts
    assert not loaded('<a href="https://x.y">z</a><script src="assets/a.js"></script><link rel=stylesheet href=a.css>')
    assert not loaded('<link rel="canonical" href="https://x.y/">')
    for tag in (
        '<script async src="https://x.y/a.js">',
        "<img src=//x.y/a.png>",
        "<link rel=stylesheet href=https://x.y/a.css>",
    ):
        assert loaded(tag) == [tag]


def examples() -> list[str]:
    """The Python of docs/extend.md, a block for each component."""
    return re.findall(r"```python\n(.*?)```", read("extend.md"), re.S)


def test_extend_has_an_example_of_each_component() -> None:
    assert re.findall(r"^## (.*)$", read("extend.md"), re.M) == [
        "A noise schedule", "A sampler", "A network", "A data set", "A metric",
    ]  # fmt: skip
    assert len(examples()) == 5


@pytest.mark.parametrize("number", range(5))
def test_the_examples_of_extend_run_as_they_stand(number: int, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    exec(compile(examples()[number], f"docs/extend.md, example {number}", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("alpha_bar", [0.9999, 0.5, 0.001])
@pytest.mark.parametrize("name", ["two_peaks", "spiral"])
def test_the_toys_know_their_own_score(name: str, alpha_bar: float) -> None:
    data = getattr(script("toys"), name)()
    x = (data.sample(50, 1) + 0.1).requires_grad_()
    (gradient,) = torch.autograd.grad(data.log_density(x, alpha_bar).sum(), x)
    torch.testing.assert_close(data.score(x.detach(), alpha_bar), gradient, rtol=1e-9, atol=1e-9)


def test_the_toy_density_is_one() -> None:
    x = torch.linspace(-8, 8, 40001, dtype=torch.float64)[:, None]
    for alpha_bar in (1.0, 0.3):
        total = script("toys").two_peaks().log_density(x, alpha_bar).exp().sum() * (x[1] - x[0])
        assert float(total) == pytest.approx(1, abs=1e-9)


def test_no_figure_of_the_book_is_heavy() -> None:
    figures = sorted((DOCS / "figures").glob("*.png"))
    assert len(figures) == 6 and all(figure.stat().st_size < 150_000 for figure in figures)


@pytest.mark.heavy
def test_the_book_is_built_strictly(tmp_path) -> None:
    """Broken links, anchors and names of the API are errors; so is a page that loads something from another host.

    BOOK_BUILT names the folder where `make docs`, which builds it so, has just put it.
    """
    site = Path(os.environ.get("BOOK_BUILT") or tmp_path / "site")
    if "BOOK_BUILT" not in os.environ:
        for needed in ("mkdocs", "material", "mkdocstrings"):
            pytest.importorskip(needed)
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
        quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "<sub>t−1</sub>" in (site / "ddpm.html").read_text(encoding="utf-8")
