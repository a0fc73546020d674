"""Files to and from a repository on the Hub, by huggingface_hub."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alphabar.config.values import HUB
from alphabar.errors import AlphabarError
from alphabar.files import sha256_of
from alphabar.interop import hub_errors
from alphabar.interop.hub import is_plain

PATIENCE = 30.0
"""Seconds that the Hub has to answer the first question."""


@dataclass(frozen=True)
class Repository:
    """A model on the Hub as it stands at one commit."""

    name: str
    """owner/name."""
    commit: str | None
    """None if there is none yet."""
    is_private: bool
    sizes: Mapping[str, int]
    """The bytes of each file, by its name. Names that would leave the folder are not among them."""
    sha256: Mapping[str, str]
    """The sha256 of each large file, by its name, as the Hub states it."""


def looked_up(name: str, purpose: str, may_lack: bool = False) -> Repository | None:
    """The model `name` on the Hub; None if there is none, and `may_lack`. AlphabarError if that cannot be known."""
    source = f"{HUB}{name}"
    hub_errors.check_installed(source)
    from huggingface_hub import HfApi

    with hub_errors.sentences(source, purpose):
        try:
            info = HfApi().model_info(name, files_metadata=True, timeout=PATIENCE)
        except Exception as error:
            if may_lack and hub_errors.is_absent(error):
                return None
            raise
        files = {each.rfilename: each for each in info.siblings or () if is_plain(each.rfilename)}
        sizes = {name: file.size or 0 for name, file in files.items()}
        large = {name: str(file.lfs.sha256) for name, file in files.items() if file.lfs is not None}
        return Repository(name, info.sha, bool(info.private), sizes, large)


def download(repository: Repository, names: Iterable[str], folder: Path) -> None:
    """Fetch files of a repository into a new `folder`; AlphabarError unless each is as large as the Hub says."""
    from huggingface_hub import hf_hub_download

    source, names = f"{HUB}{repository.name}", list(names)
    total, free = sum(repository.sizes[name] for name in names), shutil.disk_usage(folder.parent).free
    if total > free:
        raise AlphabarError(f"{source} takes {total / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free at {folder}.")
    for name in names:
        with hub_errors.sentences(source, "pulled"):
            hf_hub_download(repository.name, name, revision=repository.commit, local_dir=folder)
        path, wanted = folder / name, repository.sha256.get(name)
        is_file = path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve())
        if not is_file or path.stat().st_size != repository.sizes[name] or (wanted and sha256_of(path) != wanted):
            raise AlphabarError(f"{name} of {source} did not arrive as the Hub describes it; try again.")
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the notes of huggingface_hub about its downloads


def check_token(source: str) -> None:
    """AlphabarError if there is no token for the Hub."""
    hub_errors.check_installed(source)
    from huggingface_hub import get_token

    if not get_token():
        raise AlphabarError(
            f"{source} cannot be pushed without a token of the Hub; log in with `hf auth login`, or set HF_TOKEN."
        )


def upload(folder: Path, name: str, old: Repository | None, stale: Iterable[str], private: bool, message: str) -> str:
    """Put the files of `folder` into the model `name`, in one commit; returns its address.

    old: the model as it was looked up; it is made if None. stale: its files that go in the same commit.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    hub = HfApi()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    added = {path.relative_to(folder).as_posix(): path for path in files}
    with hub_errors.sentences(f"{HUB}{name}", "pushed"):
        if old is None:
            hub.create_repo(name, private=private)
        operations = [CommitOperationAdd(path_in_repo=each, path_or_fileobj=path) for each, path in added.items()]
        gone = [CommitOperationDelete(path_in_repo=each) for each in sorted(set(stale) - added.keys())]
        hub.create_commit(
            name, [*operations, *gone], commit_message=message, parent_commit=old.commit if old is not None else None
        )
    return f"{hub.endpoint}/{name}"
