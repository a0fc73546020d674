"""`hf:owner/name`: the files of a model on the Hugging Face Hub, in the cache of huggingface_hub."""

import re
from collections.abc import Sequence
from pathlib import Path

from alphabar.config.values import HUB as PREFIX
from alphabar.errors import AlphabarError
from alphabar.terminal import printable

_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
WEIGHTS = (".safetensors", ".bin", ".pt", ".ckpt")
_NONE_OF_THE_MODEL = ("optimizer.", "scheduler.", "training_args", "random_states")


def is_on_hub(source: str) -> bool:
    """Whether a text names a model on the Hub."""
    return source.startswith(PREFIX)


def fetched(source: str) -> Path:
    """The folder of the model `source`, fetched unless it is in the cache; AlphabarError if that cannot be.

    Of each folder, the weights are fetched once: as safetensors if they are there.
    """
    name = source.removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        raise AlphabarError(f"{printable(source):.100} names no model on the Hub; write hf:owner/name.")
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError:
        raise AlphabarError(
            f"{source} is on the Hub, which needs huggingface_hub: pip install 'alphabar[hub]'."
        ) from None
    try:
        try:
            wanted = chosen(HfApi().list_repo_files(name))
        except Exception:  # no network, or no such model: what is in the cache will do
            return Path(snapshot_download(name, local_files_only=True))
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # its errors have many classes, and those of three libraries below it
        lines = printable(str(error)).strip().splitlines() or [type(error).__name__]
        raise AlphabarError(
            f"{source} could not be fetched, and is not in the cache ({lines[0]:.160}); fetch its files by hand, and "
            "name their folder."
        ) from None


def chosen(files: Sequence[str]) -> list[str]:
    """The files of a model that are needed: its settings, and of the weights in each folder those of one kind."""
    files = [name for name in files if not name.rpartition("/")[2].startswith(_NONE_OF_THE_MODEL)]
    folders = {name.rpartition("/")[0] for name in files}
    wanted = [name for name in files if name.endswith(".json") or name == "README.md"]
    for folder in sorted(folders):
        inside = [name for name in files if name.rpartition("/")[0] == folder]
        kinds = ([name for name in inside if name.endswith(suffix)] for suffix in WEIGHTS)
        wanted += next((kind for kind in kinds if kind), [])
    return wanted
