"""The commit that is recorded is alphabar's own, or none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from alphabar.runs import provenance


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="the program git is not here")
def test_the_commit_of_the_repository_around_an_installed_package_is_not_ours(tmp_path, monkeypatch, full_ends) -> None:
    source = tmp_path / "site-packages" / "alphabar" / "provenance.py"
    source.parent.mkdir(parents=True)
    source.write_text("")
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("site-packages\n")
    git(tmp_path, "add", ".gitignore")
    git(tmp_path, "commit", "-qm", "the user's own")
    monkeypatch.setattr(provenance, "__file__", str(source))
    assert provenance.versions()["git_commit"] is None
    git(tmp_path, "add", "-f", str(source))
    git(tmp_path, "commit", "-qm", "a checkout of alphabar")
    commit = provenance.versions()["git_commit"]
    assert commit is not None and len(commit) == 40
    source.write_text("# edited")
    assert provenance.versions()["git_commit"] == f"{commit}+"
