"""What `train` starts from: a recipe, or a run that it resumes with the run's own settings."""

import shlex
from pathlib import Path
from typing import Any

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.registry import unknown
from alphabar.runs import resuming

RUNS = Path("runs")


def run_named(recipe: str | Path) -> Path | None:
    """The run directory that `recipe` means; None if it is a recipe's name or file, which come first."""
    return None if str(recipe) in c.recipes() else resuming.named_by(Path(recipe))


def settings(recipe: str | Path) -> dict[str, Any]:
    """The settings of a recipe, or a run's own, by section."""
    run = run_named(recipe)
    if run is not None:
        return resuming.own_settings(run)
    if str(recipe) not in c.recipes() and Path(recipe).suffix != ".toml":
        _check_no_run_is_meant(Path(recipe))
    return c.read(str(recipe))


def _check_no_run_is_meant(path: Path) -> None:
    """AlphabarError, which says the way, if `path` looks like a run or a folder of images."""
    try:
        is_folder, near = path.is_dir(), sorted(str(each.parent) for each in path.parent.glob("*/config.json"))
        same = RUNS / path.name
        is_run = path.name == str(path) and (same / "config.json").is_file()
    except (OSError, ValueError):
        return  # a path that no system knows
    if is_run:
        raise AlphabarError(f"There is no recipe and no run {path}; did you mean the run {same}?")
    if is_folder:
        raise AlphabarError(
            f"{path} is a folder, but no run; to train on the images in it, say `alphabar train folder --data "
            f"{shlex.quote(str(path))}`."
        )
    if path.parent != Path() and near and not path.exists():
        raise AlphabarError(unknown("run", str(path), near))


def run_path(recipe: str | Path, run: str | Path | None, data: str | Path | None = None) -> Path:
    """The run directory: `run`; or the run that `recipe` means; or runs/DATA, named after one's own images, or
    runs/RECIPE.
    """
    named = run_named(recipe)
    if named is not None and run is not None and Path(run).absolute() != named.absolute():
        raise AlphabarError(
            f"{recipe} is a run, which is resumed where it is; leave --run {run} out, or start a new run there from a "
            f"recipe with --from {named}."
        )
    if named is not None or run is not None:
        return named or Path(str(run))
    return RUNS / (Path(recipe).stem if data is None else _name(Path(data)) or Path(recipe).stem)


def _name(data: Path) -> str:
    """What a folder is called, or a file without its endings; "" for the root of all folders."""
    try:
        place = data.resolve()
        return place.name.split(".")[0] if place.is_file() else place.name
    except (OSError, ValueError, RuntimeError):
        return ""  # it is reported when it is read
