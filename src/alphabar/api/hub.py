"""`alphabar.push` and `pull`: runs on the Hugging Face Hub."""

from collections.abc import Sequence
from pathlib import Path

from alphabar.api.model import Model
from alphabar.api.options import StrPath
from alphabar.errors import AlphabarError, sentences


@sentences()
def push(
    run: Model | StrPath,
    target: str,
    *,
    private: bool = False,
    licence: str | None = None,
    to: str | None = None,
    out: StrPath | None = None,
    weights: str = "ema",
    dtype: str = "float16",
    step: int | str | None = None,
    overrides: Sequence[str] = (),
) -> str | Path:
    """Publish a run on the Hugging Face Hub, as the small run that `export` writes, with a model card and a picture.

    target: "hf:owner/name"; it is made if it does not exist. licence: that of the weights, an identifier of the Hub's
    such as "mit". to: "diffusers", to put the model there in that format, too. out: a new folder for what would be
    uploaded, and nothing is. The other arguments are those of `export`.

    Returns the address of the model; with out, the path of the card.
    """
    from alphabar.interop import hub
    from alphabar.sharing import push as sharing
    from alphabar.sharing.contents import Request

    name = hub.named(target)
    path = run.loaded.path if isinstance(run, Model) else Path(run)
    request = Request(path, name, weights, dtype, step, tuple(overrides), licence, to)
    if out is None:
        return sharing.pushed(request, private)
    if private:
        raise AlphabarError("With --out nothing is uploaded, so there is nothing to be --private; leave one out.")
    return sharing.prepared(request, Path(out))


@sentences()
def pull(source: str, out: StrPath) -> Path:
    """Fetch a run that `push` published, "hf:owner/name", into the new folder `out`, verified; returns its weights.

    It can be sampled, evaluated, edited and started from. Nothing of it is run.
    """
    from alphabar.sharing.pull import pulled

    return pulled(source, Path(out))
