"""A run directory that several processes open: the main one locks and writes it, the others follow."""

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from alphabar import config as c
from alphabar import distributed
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.runs.run import Run, opened


@contextmanager
def opened_together(
    path: Path,
    config: c.Config,
    facts: c.ImageFacts,
    say: Callable[[str], None],
    allowed: Set[str] = frozenset(),
) -> Iterator[tuple[Run, checkpoint.Checkpoint | None]]:
    """`opened`, by the main process for all; each gets the same checkpoint. They see the same file system."""
    if distributed.is_main():
        with opened(path, config, facts, say, allowed) as (run, saved):
            distributed.of_main(None if saved is None else saved.path.name)
            yield run, saved
        return
    yield Run(path), _same_as_main(Run(path))


def newest_good(run: Run, say: Callable[[str], None]) -> checkpoint.Checkpoint | None:
    """`checkpoint.newest_good`, by the main process for all."""
    if not distributed.is_main():
        return _same_as_main(run)
    saved = checkpoint.newest_good(run.checkpoints, say)
    distributed.of_main(None if saved is None else saved.path.name)
    return saved


def _same_as_main(run: Run) -> checkpoint.Checkpoint | None:
    name = distributed.of_main(None)
    return None if name is None else _read(run.checkpoints / name)


def _read(path: Path) -> checkpoint.Checkpoint:
    if not path.exists():
        raise AlphabarError(
            f"Process {distributed.rank()} does not see {path}, which the main process resumes from: the run directory "
            "must lie on a file system that all machines share."
        )
    return checkpoint.read(path)
