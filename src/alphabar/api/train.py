"""`alphabar.train`: a recipe, images, a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabar import config as c
from alphabar import distributed
from alphabar.api import recipe_or_run
from alphabar.api.resolved import Request, Resolved
from alphabar.errors import AlphabarError, sentences
from alphabar.runs import lock, resuming
from alphabar.runs.origin import Origin

if TYPE_CHECKING:
    from alphabar.api.model import Model


@dataclass(frozen=True)
class TrainedRun:
    """A run directory. It can be used wherever a path to a run can."""

    path: Path
    finished: bool
    """False if the training was interrupted; it is saved, and the same call resumes it."""

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        from alphabar.api.live import View
        from alphabar.training.progress import progress

        return View(progress(self.path))._repr_html_()

    def load(self, weights: str = "ema", step: int | str | None = None, device: str = "auto") -> "Model":
        """The model of the run."""
        from alphabar.api.model import load

        return load(self.path, weights=weights, step=step, device=device)


def _start(recipe: str | Path, run: Path, from_run: str | Path | None, from_step: int | str | None) -> Origin | None:
    """What `--from` and `--from-step` mean for a new run in the run directory `run`."""
    if from_run is None:
        if from_step is not None:
            raise AlphabarError(
                f"--from-step {from_step} chooses a checkpoint of the run that --from names; add --from."
            )
        return None
    if (named := recipe_or_run.run_named(recipe)) is not None:
        raise AlphabarError(f"{named} is a run, which goes on from its own weights; leave --from {from_run} out.")

    from alphabar.api.start import origin_of

    return origin_of(from_run, from_step, run)


def rehearsed(
    recipe: str | Path,
    data: str | Path | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    data_root: str | Path | None = None,
    device: str = "auto",
    from_run: str | Path | None = None,
    from_step: int | str | None = None,
    run: str | Path | None = None,
    allow: Sequence[str] = (),
    minutes: float | None = None,
) -> Iterator[str]:
    """The lines of `alphabar train --dry-run`: everything is built and runs a few steps, and nothing is written.

    AlphabarError if `run` holds a run that would be refused.
    """
    allowed = c.check_allowed(allow)
    path = recipe_or_run.run_path(recipe, run, data)
    request = Request(recipe, path, data, overrides, data_root, minutes, device)
    resolved = request.resolved(_start(recipe, path, from_run, from_step))
    resuming.check_early(path, resolved.config, allowed)

    from alphabar import build, training

    return chain(resolved.plan, training.dry_run(resolved.config, path, build.device(device), allowed))


@sentences()
def train(
    recipe: str | Path,
    *,
    data: str | Path | None = None,
    run: str | Path | None = None,
    minutes: float | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    data_root: str | Path | None = None,
    device: str = "auto",
    allow: Sequence[str] = (),
    from_run: str | Path | None = None,
    from_step: int | str | None = None,
) -> TrainedRun:
    """Train a model; the same call resumes where it was interrupted. The same as `alphabar train`.

    recipe: a name from `alphabar.recipes()`, or a .toml file; or a run, which resumes with its own settings.
    data: your own images, a folder or a file; the recipe's data if None.
    run: the run directory; if None, runs/NAME for a folder or file NAME of your own, and else runs/RECIPE.
    minutes: the time of training, summed over all sessions; as the override training.minutes.
    overrides: settings, as {"training.minutes": 10} or ["training.minutes=10"]; `alphabar settings` lists them.
    data_root: the folder of a published data set's files.
    allow: settings of a run that are changed on purpose when it resumes, as ["optimizer.betas"].
    from_run: a run, a checkpoint, or the name of a bundled model, whose averaged weights a new run starts from; or a
        model of another program: a file, a folder of diffusers, or "hf:owner/name" (`alphabar.import_run` takes more
        options). Its architecture and its [diffusion] are taken over.
    from_step: of which step of a run; "best"; the newest if None.
    """
    allowed = c.check_allowed(allow)
    path = recipe_or_run.run_path(recipe, run, data)
    request = Request(recipe, path, data, overrides, data_root, minutes, device)
    with distributed.session():
        resolved, plans = None, distributed.is_main()  # for all processes
        with distributed.alike(), distributed.alone():
            if plans:
                resolved = request.resolved(_start(recipe, path, from_run, from_step))
                lock.check_free(path)
                resuming.check_early(path, resolved.config, allowed)  # before images are decoded and torch is imported
        return _trained(distributed.of_main(resolved), path, device, allowed)


def _trained(resolved: Resolved | None, path: Path, device: str, allowed: frozenset[str]) -> TrainedRun:
    from alphabar import build, training
    from alphabar.files import outputs
    from alphabar.terminal import console, say

    assert resolved is not None
    data, is_main = resolved.config.data.path, distributed.is_main()
    with distributed.alike():
        outputs.check_folder(path, "--run")
        outputs.check_apart(path, [] if data is None else [data], "--run")
        place = build.device(device)
    for line in resolved.plan if is_main else ():
        say(line, error=True)
    screen = console(error=True, quiet=not is_main)
    return TrainedRun(path, training.train(resolved.config, path, place, screen, allowed))
