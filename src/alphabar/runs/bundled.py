"""The models that ship with alphabar, by name: exported runs in assets/models (see export.py), read where they lie."""

from pathlib import Path

from alphabar.errors import AlphabarError

MODELS = Path(__file__).parents[1] / "assets" / "models"
RUNS = Path("runs")


def names() -> list[str]:
    """Of the models that ship."""
    return sorted(path.name for path in MODELS.iterdir() if path.is_dir())


def ships(path: Path) -> bool:
    """Whether `path` names a model that ships: what the user has under that name comes first."""
    return not path.exists() and str(path) in names()


def found(path: Path) -> Path:
    """Where the run lies that `path` means: there, or in the package; AlphabarError if there is none."""
    if ships(path):
        return MODELS / path
    if not path.is_dir():
        raise none_at(path)
    return path


def none_at(path: Path) -> AlphabarError:
    """What to say where no run lies."""
    return AlphabarError(
        f"There is no run at {path}; `alphabar train` makes one and says where, and {', '.join(names())} ships with "
        "alphabar."
    )


def written(path: Path) -> Path:
    """Where what is made with the run `path` goes: there; of a model that ships, runs/NAME.

    AlphabarError if a run of the user's lies there, whose results would mix with those.
    """
    if not ships(path):
        return path
    if (RUNS / path / "config.json").exists():
        raise AlphabarError(
            f"{RUNS / path}, where what the model {path} makes goes, is a run of its own; rename that folder."
        )
    return RUNS / path
