"""The models that ship with alphabar, by name: exported runs in assets/models (see export.py).

From Python they are read where they lie. The command line lays a copy into runs/, so that what is drawn, measured and
edited with it has a place of its own, as with any run.
"""

import os
import shutil
import sys
from pathlib import Path

from alphabar.errors import AlphabarError

MODELS = Path(__file__).parent / "assets" / "models"
RUNS = Path("runs")


def names() -> list[str]:
    """Of the models that ship."""
    return sorted(path.name for path in MODELS.iterdir() if path.is_dir())


def found(path: Path) -> Path:
    """`path`; or, if nothing is there and it is the name of a model that ships, where that lies."""
    return path if path.exists() or str(path) not in names() else MODELS / path


def laid_out(text: str) -> Path:
    """The path that `text` is; or the copy in runs/ of the model that it names, made if it is not there yet.

    AlphabarError if something else lies there.
    """
    path = Path(text)
    source, copy = found(path), RUNS / path
    if source == path:
        return path
    if not copy.exists():
        _copied(source, copy)
        print(
            f"{text} ships with alphabar; what is drawn with it goes to {copy}, beside a copy of it.", file=sys.stderr
        )
    if _manifests(source).items() - _manifests(copy).items():
        raise AlphabarError(
            f"{copy} is not the model {text} of this alphabar; rename that folder, and it is laid there."
        )
    return copy


def _copied(source: Path, target: Path) -> None:
    """Whole or not at all, whoever else copies it at the same time."""
    temporary = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, temporary)
        temporary.rename(target)
    except OSError as error:
        if not target.exists():
            raise AlphabarError(
                f"The model {target.name} cannot be copied to {target} ({error.strerror}); go to a folder of your own."
            ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _manifests(run: Path) -> dict[Path, bytes]:
    """What identifies the checkpoints in a run."""
    return {path.relative_to(run): path.read_bytes() for path in sorted(run.glob("checkpoints/step-*/manifest.json"))}
