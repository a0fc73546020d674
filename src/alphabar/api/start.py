"""`train --from`: a run, or a model of another program, whose weights a new run starts from."""

from pathlib import Path

from alphabar.errors import AlphabarError
from alphabar.runs import origin


def origin_of(source: str | Path, step: int | str | None, run: Path) -> origin.Origin:
    """What `--from` and `--from-step` mean; for a `run` that exists, what it started from."""
    path = Path(source)
    if (known := origin.recorded(run, path, step)) is not None:
        return known

    from alphabar import interop

    if interop.is_foreign(path):
        return _foreign(path, step)

    from alphabar.runs.model import find
    from alphabar.runs.run import described

    saved = find(path, step)
    config, facts = described(saved)
    place = saved.path.resolve()
    if place.is_relative_to(run.resolve()):
        raise AlphabarError(f"A run cannot start from itself; choose another --run than {run}.")
    return origin.Origin(place, config, min(facts.shape[1:]))


def _foreign(path: Path, step: int | str | None) -> origin.Origin:
    """The model of another program at `path`, or of this name on the Hub."""
    from alphabar import interop
    from alphabar.interop import hub
    from alphabar.sampling.foreign import readable

    if step is not None:
        raise AlphabarError(f"{path} is no run and has one set of weights; leave --from-step {step} out.")
    try:
        model = readable(interop.Request.of(path))
    except interop.SizeUnsaidError as error:  # the setting of the new run would be the size of its own images
        why = str(error.args[0]).partition(";")[0]
        raise AlphabarError(
            f"{why}; make a run of it with `alphabar import {path} --run DIR data.image_size=N`, and start from that."
        ) from None
    place = path if hub.is_on_hub(str(path)) else path.absolute()
    return origin.Origin(place, model.config, min(model.facts.shape[1:]))
