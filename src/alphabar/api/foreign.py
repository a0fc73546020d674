"""`alphabar.import_run`: a model of another program, as a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabar import config as c
from alphabar.api.options import StrPath
from alphabar.errors import AlphabarError, sentences

if TYPE_CHECKING:
    import torch

    from alphabar.interop import Request
    from alphabar.runs.model import DataPlace, LoadedModel


@sentences()
def import_run(
    source: StrPath,
    run: StrPath,
    *,
    format: str | None = None,
    new_attention_order: bool | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
) -> tuple[Path, tuple[str, ...]]:
    """Make a run of a model of OpenAI's, diffusers' or pesser's: it can be sampled, evaluated, edited and started from.

    source: a file of weights, a folder of diffusers, or "hf:owner/name". run: a new folder.
    format: a key of `alphabar.interop.FORMATS`; found out if None.
    new_attention_order: guided-diffusion's use_new_attention_order, where a file is none of the released ones.
    overrides: settings that the file does not say, or that are to be read otherwise, as "network.heads=1".

    Returns the run, and sentences: what the file did not say, and what of it is not used. Nothing of a file is run.
    """
    from alphabar.sampling.foreign import import_run as write

    model = write(_request(source, format, new_attention_order, overrides), Path(run), str(source))
    return Path(run), model.notes


def is_foreign(source: StrPath) -> bool:
    """Whether `source` is a model of another program, and no run."""
    from alphabar import interop

    return interop.is_foreign(source if isinstance(source, str) else Path(source))


def _request(
    source: StrPath, format: str | None, new_attention_order: bool | None, overrides: Mapping[str, Any] | Sequence[str]
) -> "Request":
    from alphabar.interop import Request

    nested = c.merge({}, overrides)
    flat = {f"{section}.{name}": value for section, values in nested.items() for name, value in values.items()}
    return Request.of(source if isinstance(source, str) else Path(source), format, flat, new_attention_order)


def load_foreign(
    source: StrPath, weights: str, step: int | str | None, device: "torch.device", place: "DataPlace"
) -> "LoadedModel":
    """The model of another program as it lies, or of a run on the Hub.

    AlphabarError if what only a run has was asked for of one that is none.
    """
    from alphabar.interop import hub
    from alphabar.runs.model import load_model
    from alphabar.sampling.foreign import load_foreign as load

    if hub.is_on_hub(str(source)) and hub.is_run(folder := hub.fetched(str(source))):
        return replace(load_model(folder, weights, device, step, place), path=Path(source))
    if step is not None or weights != "ema":
        raise AlphabarError(f"{source} is no run and has one set of weights; leave --step and --weights out.")
    return load(_request(source, None, None, ()), Path(source), device, place)
