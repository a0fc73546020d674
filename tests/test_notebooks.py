"""The notebooks run from top to bottom, offline, and are kept without outputs."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 100_000
"""Bytes of a notebook as it is committed."""
LONGEST = 40
"""Lines of a cell."""
FEWER = {
    "1": {"torch.randn(4000, 1": "torch.randn(400, 1", "torch.randn(600, 2": "torch.randn(60, 2"},
    "2": {"range(250)": "range(20)"},
    "3": {
        "sample(20, steps=10)": "sample(4, steps=3)",
        "sampler=name, steps=10": "sampler=name, steps=2",
        'label="Bag", steps=10': 'label="Bag", steps=2',
        "training.steps=60": "training.steps=10",
    },
    "4": {
        'steps": 200': 'steps": 20',
        'sample_every": 100': 'sample_every": 10',
        "count=8, steps=50": "count=4, steps=5",
    },
    "5": {"range(250)": "range(20)", "x[1700:1732]": "x[1700:1704]", "[5, 10, 25, 50, 100]": "[5, 10]"},
}
"""By the number of a notebook, what of its code the test does less often: every line runs all the same."""

if not FOLDER.is_dir():
    pytest.skip("the source distribution has no notebooks", allow_module_level=True)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def shortened(path: Path) -> str:
    """The notebook with FEWER steps and images."""
    content = json.loads(path.read_text())
    for much, little in FEWER[path.stem[0]].items():
        (cell,) = [cell for cell in content["cells"] if much in "".join(cell["source"]) and cell["cell_type"] == "code"]
        cell["source"] = "".join(cell["source"]).replace(much, little)
    return json.dumps(content)


def test_there_are_five() -> None:
    assert [path.stem[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_has_no_outputs_and_explains_each_cell(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert path.stat().st_size < LARGEST and (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(path, "code"))
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert all(len("".join(cell["source"]).splitlines()) <= LONGEST for cell in notebook["cells"])
    assert notebook["cells"][0]["source"][0].startswith("# ") and notebook["cells"][0]["cell_type"] == "markdown"
    assert len(cells(path, "markdown")) * 2 >= len(cells(path, "code"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_code_of_a_notebook_is_python_and_its_links_lead_somewhere(path: Path) -> None:
    for cell in cells(path, "code"):
        compile("".join(cell["source"]), f"{path.name}:{cell['id']}", "exec")
    for cell in cells(path, "markdown") if (FOLDER.parent / "docs").is_dir() else []:  # a source distribution has none
        for link in "".join(cell["source"]).split("](")[1:]:
            assert (FOLDER / link.partition(")")[0].partition("#")[0]).exists(), link


@pytest.mark.heavy
@pytest.mark.skipif(
    not (find_spec("nbclient") and find_spec("ipykernel")), reason='needs pip install "alphabar[notebooks]"'
)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_offline_in_a_folder_of_its_own(path: Path, tmp_path, monkeypatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    for name, value in {
        "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part), "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",  # nothing answers there
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    notebook = nbformat.reads(shortened(path), as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert not [output for output in outputs if "Warning" in str(output.get("text", ""))]
