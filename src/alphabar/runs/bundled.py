"""The bundled models, by name: exported runs in assets/models, which are read where they lie."""

from difflib import get_close_matches
from pathlib import Path

from alphabar.errors import AlphabarError
from alphabar.names import listed

MODELS = Path(__file__).parents[1] / "assets" / "models"
RUNS = Path("runs")


def names() -> list[str]:
    """The names of the bundled models."""
    return sorted(path.name for path in MODELS.iterdir() if path.is_dir())


def is_bundled(path: Path) -> bool:
    """Whether `path` names a bundled model; a file or folder of the user's with that name comes first."""
    return not path.exists() and str(path) in names()


def located(path: Path) -> Path:
    """The folder of the run that `path` means: `path` itself, or one in the package; AlphabarError if there is none."""
    if is_bundled(path):
        return MODELS / path
    if not path.is_dir():
        if path.is_file() or str(path).startswith("hf:"):
            raise AlphabarError(f"{path} is no run; make one of it with `alphabar import {path} --run DIR`.")
        raise no_run(path)
    return path


def no_run(path: Path) -> AlphabarError:
    """The sentence for a path at which no run lies."""
    near = _near(path)
    hint = f"; did you mean {near}?" if near else "."
    return AlphabarError(
        f"There is no run at {path}{hint} Train one with `alphabar train folder --data PHOTOS`, or use a bundled "
        f"model: {listed(names())}."
    )


def _near(path: Path) -> str:
    """The run whose name is like that of `path`, beside it or in runs/; empty if there is none."""
    try:
        runs = sorted({str(each.parent) for place in (path.parent, RUNS) for each in place.glob("*/config.json")})
    except (OSError, ValueError):
        return ""
    same = str(RUNS / path.name)
    return same if same in runs else next(iter(get_close_matches(str(path), runs, n=1)), "")


def outputs(path: Path) -> Path:
    """The folder for the outputs of the run `path`: the run itself, or runs/NAME for a bundled model.

    AlphabarError if runs/NAME is a training run, whose results would mix with those.
    """
    if not is_bundled(path):
        return path
    if (RUNS / path / "config.json").exists():
        raise AlphabarError(
            f"Outputs of the bundled model {path} go to {RUNS / path}, but that folder is a training run; rename it."
        )
    return RUNS / path
