"""The run whose weights a new run starts from, and the settings that come with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.runs import bundled, resuming
from alphabar.runs.naming import is_one, step_of, steps

ARCHITECTURE = (
    "name", "preset", "channels", "channel_mult", "num_blocks", "attention_resolutions", "heads", "head_channels",
    "conditioning", "resampling", "downsample_padding", "sinusoid", "frequency_shift", "time_channels", "norm_eps",
    "norm_groups",
)  # fmt: skip
"""The settings of [network] that say which weights there are; classes and dropout are the new run's."""
PUBLISHED = "published"
"""The entry of a checkpoint's state for where it was published on the Hub, and under which licence."""
MEANING = ("steps", "schedule", "betas", "parameterization", "variance", "time_scale")
"""The settings of [diffusion] that say what the network's input and output mean."""


@dataclass(frozen=True)
class Origin:
    """A checkpoint, or a model of another program, that a new run starts from."""

    path: Path
    """Its absolute path, or its name on the Hub."""
    config: c.Config
    """The settings of the run that the checkpoint belongs to, or of the model."""
    side: int
    """The shorter side of its images."""


def foreign_origin(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the weights in a checkpoint come from, if they are, or started from, those of an imported model.

    So are those that come from the Hub, where somebody published them. source: the file, folder or name that it was
    imported from. format. licence: what its card says, if it has one.
    """
    start = state.get("initialised_from")
    found = next((state[key] for key in (PUBLISHED, "imported", "started_from") if state.get(key)), None)
    found = found or (start.get("imported") if _is_table(start) else None)
    return {key: found[key] for key in ("source", "format", "licence") if key in found} if _is_table(found) else None


def without_place(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of where weights come from, without the paths on this machine: of a file, its name is left."""
    kept = {key: _without_path(value) if _is_table(value) else value for key, value in record.items()}
    source = record.get("source")
    if isinstance(source, str) and not source.startswith("hf:"):
        kept["source"] = Path(source).name
    return kept


def _without_path(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of diffusers without the place that it loaded them from, if that is an absolute path."""
    place = settings.get("_name_or_path")
    is_path = isinstance(place, str) and Path(place).is_absolute()
    return {key: value for key, value in settings.items() if not (is_path and key == "_name_or_path")}


def _is_table(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def settings(origin: Origin, of_run: c.Config) -> dict[str, Any]:
    """What a new run takes over from `origin`, as overrides of `of_run`, the settings that it would have otherwise.

    Attention stays at its levels, if the size of the images changes: at 16 of 32 pixels, it is at 32 of 64.
    """
    network = {name: getattr(origin.config.network, name) for name in ARCHITECTURE}
    if (size := of_run.data.image_size) is not None:
        sides = [side * min(size) / origin.side for side in network["attention_resolutions"]]
        network["attention_resolutions"] = [int(side) for side in sides if side == int(side)]
    taken = {f"network.{name}": value for name, value in network.items()}
    taken |= {f"diffusion.{name}": value for name, value in origin.config.diffusion.model_dump().items()}
    if origin.config.network.low_resolution is not None:
        taken["network.low_resolution"] = origin.config.network.low_resolution
    return taken | {"training.initialised_from": str(origin.path)}


def check_meaning(path: Path, old: c.Config, new: c.Config) -> None:
    """AlphabarError if the weights of the checkpoint `path`, trained with `old`, would mean something else in `new`."""
    for name in MEANING:
        before, after = getattr(old.diffusion, name), getattr(new.diffusion, name)
        if before != after:
            raise AlphabarError(
                f"The weights of {path} were trained with diffusion.{name}={before!s:.80}, and mean nothing with "
                f"{after!s:.80}; "
                f"leave diffusion.{name} out."
            )


def recorded(run: Path, source: Path, step: int | str | None) -> Origin | None:
    """The origin of the run that `run` holds already, which then has to lie in `source`; None if it holds none.

    It need not exist any more. AlphabarError if the run started from something else.
    """
    if not steps(run / "checkpoints"):
        return None
    config = c.parse(resuming.own_settings(run))
    path = config.training.initialised_from
    if path is None or not (_is_its_step(path, step) and _is_in(path, source)):
        of_step = "" if step is None else f" at step {step}"
        raise AlphabarError(
            f"{run} holds a run that started from {path or 'random weights'}, and not from {source}{of_step}; choose "
            "another --run."
        )
    return Origin(path, config, min(config.data.image_size or (1, 1)))


def _is_its_step(path: Path, step: int | str | None) -> bool:
    if step is None or not is_one(path):
        return step is None
    return step == "best" or str(step_of(path)) == str(step)


def _is_in(path: Path, source: Path) -> bool:
    """Whether `path` is what `source` means, or a checkpoint of the run there."""
    place = _place(source)
    return path == source or path.is_relative_to(place) or _place(path) == place


def _place(source: Path) -> Path:
    try:
        return (bundled.MODELS / source if bundled.is_bundled(source) else source).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise AlphabarError(f"The run {source!s:.80} cannot be read ({error}).") from None
