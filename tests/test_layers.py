"""The house has floors: a module imports only from floors below its own, wherever in its text the import stands."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "alphabar"

FLOORS: list[tuple[str, ...]] = [
    ("errors",),
    ("distributed",),
    ("terminal", "files", "names", "seeds"),
    ("registry",),
    ("images",),
    ("diffusion", "networks", "data", "metrics", "plots", "films"),
    ("config",),
    ("build",),
    ("runs", "interop"),
    ("sampling",),
    ("evaluation", "editing", "coding"),
    ("training", "figures", "sharing", "machine"),
    ("api",),
    ("app",),
    ("cli",),
    ("", "__main__"),  # "" is alphabar/__init__.py, which offers everything
]
"""From the ground up; modules on one floor do not import each other."""

ROWS = {name: row for row, names in enumerate(FLOORS) for name in names}

INSIDE_DIFFUSION = [
    "errors",
    "schedule",
    "schedules",
    "spacing",
    "process",
    "decoder",
    "parameterization",
    "variance",
    "thresholding",
    "denoiser",
    "x0_error",
    "guidance",
    "likelihood",
    "continuous_bound",
    "step_costs",
    "optimal_steps",
    "probability_flow",
    "adaptive_ode",
    "objective",
    "learned_timesteps",
    "timesteps",
    "samplers",
    "editing",
]

HARMLESS = {"__version__", "__file__", "__name__", "__path__"}
"""What may be read from `alphabar` itself anywhere: it pulls in no module."""


def module_name(path: Path, root: Path) -> str:
    """`alphabar.diffusion.schedule`; a package is named after its folder."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(("alphabar", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def is_module(dotted: str, root: Path) -> bool:
    path = root.joinpath(*dotted.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every module that the file imports: at the top, in functions, under TYPE_CHECKING, by
    `import_module("...")`, or by an attribute of `alphabar`."""
    here = module_name(path, root).split(".")
    package = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name != "alphabar")
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if base.split(".")[0] == "alphabar" and is_module(inner, root):
                    yield node.lineno, inner
                elif not (base == "alphabar" and alias.name in HARMLESS):
                    yield node.lineno, base
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "alphabar":
            if node.attr not in HARMLESS:
                yield node.lineno, f"alphabar.{node.attr}"
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            yield from ((node.lineno, arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def top(dotted: str) -> str:
    return [*dotted.split("."), ""][1]


def complaints(root: Path) -> list[str]:
    """One sentence per import that goes upward or sideways, and one per top-level module without a row."""
    found = []
    for path in sorted(root.rglob("*.py")):
        name, own = module_name(path, root), top(module_name(path, root))
        if own not in ROWS:
            found.append(f"{name} is a new top-level module: give it a place in FLOORS here.")
            continue
        for line, target in imported(path, root):
            if target.split(".")[0] != "alphabar" or top(target) == own:
                continue
            if top(target) not in ROWS:
                found.append(f"{name}:{line} imports {target}, which has no place in FLOORS.")
            elif ROWS[top(target)] >= ROWS[own]:
                direction = "sideways" if ROWS[top(target)] == ROWS[own] else "upward"
                found.append(f"{name}:{line} imports {target}, which is {direction}.")
    return found


def diffusion_complaints(root: Path) -> list[str]:
    """Inside diffusion/: torch, the standard library, and what comes earlier in the chain."""
    found = []
    for path in sorted((root / "diffusion").rglob("*.py")):
        name = module_name(path, root)
        own = name.split(".")[2] if name.count(".") > 1 else ""
        if own and own not in INSIDE_DIFFUSION:
            found.append(f"{name} is new in diffusion/: give it a place in INSIDE_DIFFUSION here.")
            continue
        rank = INSIDE_DIFFUSION.index(own) if own else len(INSIDE_DIFFUSION)
        for line, target in imported(path, root):
            parts = target.split(".")
            if parts[0] != "alphabar":
                if parts[0] != "torch" and parts[0] not in sys.stdlib_module_names:
                    found.append(f"{name}:{line} imports {target}: diffusion is pure maths over torch.")
            elif parts[1:2] != ["diffusion"]:
                found.append(f"{name}:{line} imports {target}: diffusion imports nothing else of ours.")
            elif len(parts) < 3 or parts[2] not in INSIDE_DIFFUSION:
                found.append(f"{name}:{line} imports {target}: name the module that it comes from.")
            elif parts[2] != own and INSIDE_DIFFUSION.index(parts[2]) > rank:
                found.append(f"{name}:{line} imports {target}, which comes later in the chain.")
    return found


def test_every_name_in_the_floors_is_a_module():
    assert [name for name in ROWS if name and not is_module(f"alphabar.{name}", ROOT)] == []


def test_no_module_imports_from_its_own_floor_or_above():
    assert not complaints(ROOT), "\n".join(complaints(ROOT))


def test_diffusion_is_pure_maths_and_a_chain():
    assert not diffusion_complaints(ROOT), "\n".join(diffusion_complaints(ROOT))


def test_no_module_is_longer_than_300_lines():
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > 300} == {}


@pytest.mark.parametrize("module", ["", ".errors", ".registry", ".names", ".config", ".api", ".api.train", ".cli"])
def test_light_modules_do_not_import_torch(module):
    code = f"import sys, alphabar{module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def house(root: Path, **files: str) -> Path:
    """A package in a temporary folder; `a__b` stands for a/b.py."""
    for name, text in files.items():
        path = root / "alphabar" / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "alphabar").mkdir(exist_ok=True)
    return root / "alphabar"


@pytest.mark.parametrize(
    "text",
    [
        "import alphabar.training",
        "from alphabar.training import loop",
        "from alphabar import training",
        "def f():\n    from alphabar.training.loop import train",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from alphabar import training",
        "from .. import training",
        "from ..training import loop",
        "from importlib import import_module\nimport_module('alphabar.training')",
        "import alphabar\nalphabar.training",
    ],
)
def test_the_check_sees_an_upward_import_however_it_is_written(tmp_path, text):
    root = house(tmp_path, data__folder=text, training__loop="")
    assert [sentence for sentence in complaints(root) if "alphabar.data.folder" in sentence and "upward" in sentence]


def test_the_check_sees_a_sideways_import(tmp_path):
    root = house(tmp_path, data__folder="from alphabar.networks import unet", networks__unet="")
    assert "sideways" in complaints(root)[0]


def test_the_check_asks_for_a_row_for_a_new_top_level_module(tmp_path):
    root = house(tmp_path, novelty="", cli__train="from alphabar import novelty")
    assert "give it a place" in complaints(root)[1] and "no place" in complaints(root)[0]


def test_the_check_accepts_what_goes_down(tmp_path):
    root = house(
        tmp_path,
        data__folder="import torch\nimport alphabar\nfrom alphabar import __version__, images\nalphabar.__version__",
        images="from alphabar.errors import AlphabarError",
        errors="",
    )
    assert complaints(root) == []


@pytest.mark.parametrize(
    "text",
    [
        "import numpy",
        "from alphabar.errors import AlphabarError",
        "from alphabar.diffusion import Denoiser",
        "from alphabar.diffusion.denoiser import Denoiser",
        "from .denoiser import Denoiser",
    ],
)
def test_the_check_keeps_diffusion_pure_and_in_order(tmp_path, text):
    root = house(tmp_path, diffusion__process=text, diffusion__denoiser="", errors="")
    assert len(diffusion_complaints(root)) == 1
