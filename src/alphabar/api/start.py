"""`train --from`: a run whose weights a new run starts from."""

from pathlib import Path

from alphabar.errors import AlphabarError
from alphabar.runs import origin


def origin_of(source: str | Path, step: int | str | None, run: Path) -> origin.Origin:
    """The checkpoint that `--from` and `--from-step` mean; for a `run` that exists, the one that it started from."""
    path = Path(source)
    if (known := origin.recorded(run, path, step)) is not None:
        return known

    from alphabar.runs.model import find
    from alphabar.runs.run import described

    saved = find(path, step)
    config, facts = described(saved)
    place = saved.path.resolve()
    if place.is_relative_to(run.resolve()):
        raise AlphabarError(f"A run cannot start from itself; choose another --run than {run}.")
    return origin.Origin(place, config, min(facts.shape[1:]))
