"""`hf:owner/name`: the files of a model on the Hugging Face Hub, in the cache of huggingface_hub."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from alphabar.config.values import HUB
from alphabar.errors import AlphabarError
from alphabar.interop import hub_errors
from alphabar.terminal import printable

_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_OF_A_RUN = re.compile(r"checkpoints/step-[0-9]{8,16}/[A-Za-z0-9._-]+\.(?:json|safetensors)|config\.json|README\.md")
WEIGHTS = (".safetensors", ".bin", ".pt", ".ckpt")
_NONE_OF_THE_MODEL = ("optimizer.", "scheduler.", "training_args", "random_states")


def is_on_hub(source: str) -> bool:
    """Whether a text names a model on the Hub."""
    return source.startswith(HUB)


def named(source: str) -> str:
    """The owner/name of hf:owner/name; AlphabarError for a text that names no model on the Hub."""
    name = source.removeprefix(HUB)
    if not is_on_hub(source) or not _NAME.fullmatch(name) or any(set(part) == {"."} for part in name.split("/")):
        raise AlphabarError(f"{printable(source):.100} names no model on the Hub; write hf:owner/name.")
    return name


def fetched(source: str) -> Path:
    """The folder of the model `source`, fetched unless it is in the cache; AlphabarError if that cannot be.

    Of each folder, the weights are fetched once: as safetensors if they are there.
    """
    name = named(source)
    hub_errors.check_installed(source)
    from huggingface_hub import HfApi, snapshot_download

    try:
        try:
            wanted = chosen(HfApi().list_repo_files(name))
        except Exception:  # no network, or no such model: what is in the cache will do
            return Path(snapshot_download(name, local_files_only=True))
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # its errors have many classes, and those of three libraries below it
        raise AlphabarError(
            f"{source} could not be fetched, and is not in the cache ({hub_errors.first_line(error)}); fetch its files "
            "by hand, and name their folder."
        ) from None


def is_plain(name: str) -> bool:
    """Whether the name of a file in a repository stays in its folder, and is not a pattern of several names."""
    parts = PurePosixPath(name).parts
    return name == "/".join(parts) and ".." not in parts and not set(name) & set("\\*?[]:\0") and parts[:1] != ("/",)


def of_run(files: Sequence[str]) -> list[str]:
    """The files of the newest checkpoint of a run that lies in a repository; none if it holds no run.

    Whatever else it holds, such as a script, is not among them.
    """
    files = [name for name in files if is_plain(name) and _OF_A_RUN.fullmatch(name)]
    steps = sorted({name.split("/")[1] for name in files if name.startswith("checkpoints/")}, key=lambda x: int(x[5:]))
    if not steps or "config.json" not in files:
        return []
    newest = f"checkpoints/{steps[-1]}/"
    return [name for name in files if name.startswith(newest) or "/" not in name]


def is_run(folder: Path) -> bool:
    """Whether a fetched folder holds a run of alphabar's."""
    return bool(of_run([path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]))


def chosen(files: Sequence[str]) -> list[str]:
    """The files of a model that are needed: its settings, and of the weights in each folder those of one kind.

    Of a repository that holds a run of alphabar's, they are those of the run.
    """
    if own := of_run(files):
        return own
    files = [name for name in files if is_plain(name) and not name.rpartition("/")[2].startswith(_NONE_OF_THE_MODEL)]
    folders = {name.rpartition("/")[0] for name in files}
    wanted = [name for name in files if name.endswith(".json") or name == "README.md"]
    for folder in sorted(folders):
        inside = [name for name in files if name.rpartition("/")[0] == folder]
        kinds = ([name for name in inside if name.endswith(suffix)] for suffix in WEIGHTS)
        wanted += next((kind for kind in kinds if kind), [])
    return wanted
