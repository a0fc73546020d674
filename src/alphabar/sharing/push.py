"""A run -> a model on the Hub, in one commit."""

import re
import tempfile
from pathlib import Path

from alphabar.config.values import HUB
from alphabar.errors import AlphabarError
from alphabar.files import outputs
from alphabar.interop import hub, hub_files
from alphabar.interop.hub_files import Repository
from alphabar.runs.model import find
from alphabar.sampling.export import check_free
from alphabar.sharing import contents
from alphabar.sharing.contents import Request

_OURS = re.compile(
    r"checkpoints/step-\d+/.+|(?:unet|scheduler)/.+|model_index\.json|config\.json|README\.md|samples\.png"
)
"""The files that `push` writes: those of an earlier one are replaced."""


def prepared(request: Request, out: Path) -> Path:
    """Write what would go to the Hub into the new folder `out`; returns the card, to be read before it is published."""
    check_free(out, "write to")
    outputs.check_folder(out, "--out")
    return contents.write(request, out)


def pushed(request: Request, private: bool) -> str:
    """Publish a run; returns its address. The token is huggingface_hub's own.

    AlphabarError if it cannot be reached or written, if it holds the files of others, or if it is public already and
    `private` is asked for: nothing is uploaded then.
    """
    source = f"{HUB}{request.name}"
    find(request.run, request.step)  # before the network is asked
    hub_files.check_token(source)
    old = hub_files.looked_up(request.name, "pushed", may_lack=True)
    if old is not None:
        _check_ours(old, source, private)
    with tempfile.TemporaryDirectory(prefix="alphabar-") as place:
        folder = Path(place) / "model"
        contents.write(request, folder)
        stale = [name for name in old.sizes if _OURS.fullmatch(name)] if old is not None else []
        return hub_files.upload(folder, request.name, old, stale, private, "Publish a run of alphabar")


def _check_ours(old: Repository, source: str, private: bool) -> None:
    """AlphabarError unless a repository is empty, or was written by `push`, and is as private as was asked for."""
    others = sorted(name for name in old.sizes if name != ".gitattributes")
    if others and not hub.of_run(others):
        raise AlphabarError(
            f"{source} exists and holds no run of alphabar, but {len(others)} other files, such as {others[0]!r:.80}; "
            "choose a new name."
        )
    if private and not old.is_private:
        raise AlphabarError(
            f"{source} exists and is public, so nothing was uploaded; make it private on its page, or use a new name."
        )
