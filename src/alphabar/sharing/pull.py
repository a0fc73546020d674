"""A run on the Hub -> a run directory, verified, whole or not at all."""

import os
import shutil
from pathlib import Path

from alphabar.errors import AlphabarError
from alphabar.files import outputs, read_json
from alphabar.interop import hub, hub_files
from alphabar.interop.hub_files import Repository
from alphabar.runs import checkpoint
from alphabar.runs.run import Run, described
from alphabar.sampling.export import check_free

LARGEST = 1 << 24
"""Bytes of a file that is not one of weights."""
MOST = 32
"""Files of a run."""


def pulled(source: str, out: Path) -> Path:
    """Fetch the run `source` into the new folder `out`; returns the file of its weights.

    Only the files of a run are fetched, and each must be what its manifest says. Nothing of them is run.
    AlphabarError if it cannot be reached, or holds no run, or another one than was pushed.
    """
    name = hub.named(source)
    check_free(out, "pull to")
    outputs.check_folder(out, "folder")
    repository = hub_files.looked_up(name, "pulled")
    assert repository is not None
    wanted = _wanted(repository, source)
    temporary = out.with_name(f".{out.name}-{os.getpid()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with our number
        temporary.mkdir(parents=True)
        hub_files.download(repository, wanted, temporary)
        weights = _verified(temporary, source)
        temporary.rename(out)
    except OSError as error:
        raise AlphabarError(f"{out} cannot be written ({error.strerror or error}); choose another folder.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out / weights


def _wanted(repository: Repository, source: str) -> list[str]:
    """The files of the run in a repository; AlphabarError if it holds none, or what no run is like."""
    wanted = hub.of_run(list(repository.sizes))
    if not wanted:
        raise AlphabarError(
            f"{source} holds no run of alphabar; a model of another program comes in by `alphabar import {source} "
            "--run DIR`."
        )
    for name in wanted:
        if not name.endswith(".safetensors") and (size := repository.sizes[name]) > LARGEST:
            raise AlphabarError(
                f"{name} of {source} has {size:,} bytes, which no file of settings has; nothing is kept."
            )
    if len(wanted) > MOST:
        raise AlphabarError(f"{source} has {len(wanted)} files, more than a run that was pushed; nothing is kept.")
    return wanted


def _verified(run: Path, source: str) -> Path:
    """The file of weights in a fetched run, relative to it; AlphabarError unless all is as it was pushed."""
    try:
        (place,) = checkpoint.steps(Run(run).checkpoints)
        saved = checkpoint.read(place).verify()
        described(saved)
        read_json(Run(run).config)
        extra = {path.name for path in place.iterdir()} - {*saved.sha256, checkpoint.MANIFEST}
        weights = saved.names()
        if extra or not weights:
            raise AlphabarError(f"{place} holds {', '.join(sorted(extra)) or 'no weights'}, unlike its manifest.")
    except AlphabarError as error:
        said = str(error).replace(str(run), source).rstrip(".")
        raise AlphabarError(f"{source} is not what was pushed, and nothing of it is kept: {said}.") from None
    except ValueError as error:
        raise AlphabarError(f"{source} is not what was pushed, and nothing of it is kept ({error!s:.100}).") from None
    return (place / f"{weights[0]}.safetensors").relative_to(run)
