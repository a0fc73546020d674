"""Only the runs that were named, and the bundled models, can be read."""

import shutil
from pathlib import Path

import pytest

from alphabar.app import offered as module
from alphabar.app.offered import Models, offered
from alphabar.app.shelf import Shelf
from alphabar.errors import AlphabarError
from alphabar.runs import bundled


def test_runs_are_named_by_their_folder_and_by_their_path_if_two_are_alike(run, tmp_path) -> None:
    assert list(offered([run])) == ["digits", *bundled.names()]
    (other := tmp_path / "digits").symlink_to(run)
    assert list(offered([run, other])) == [str(run), str(other), *bundled.names()]
    assert list(offered([Path("emoji")])) == ["emoji", *(name for name in bundled.names() if name != "emoji")]


@pytest.mark.parametrize("place", ["missing", ".", "runs/../missing"])
def test_a_path_that_is_no_run_is_refused_before_the_page_opens(place, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AlphabarError, match="There is no run at"):
        offered([Path(place)])


@pytest.mark.parametrize(
    "name", ["/etc", "..", "../digits", "", "digits/", "digits/checkpoints", "dig", None, 3, [], {}]
)
def test_a_name_that_is_not_offered_is_refused(name, models) -> None:
    with pytest.raises(AlphabarError, match=r"There is no run|No run was chosen"):
        models.path(name)


def test_a_few_models_are_kept_and_a_new_checkpoint_is_loaded(run, tmp_path, monkeypatch) -> None:
    shutil.copytree(run, copy := tmp_path / "copy")
    newest = copy / "checkpoints" / "step-00000012"
    shutil.move(newest, tmp_path / newest.name)
    monkeypatch.setattr(module, "KEPT", 1)
    models = Models(offered([copy, run]), "cpu")
    first = models.model("copy")
    assert models.model("copy") is first and first.loaded.step == 8
    shutil.move(tmp_path / newest.name, newest)
    assert models.model("copy").loaded.step == 12
    models.model("digits")
    assert len(models._kept) == 1


def test_the_oldest_files_leave_the_shelf(tmp_path) -> None:
    shelf = Shelf(tmp_path / "shelf", most=3)
    places = [shelf.place() for _ in range(5)]
    assert [place.exists() for place in places] == [False, False, True, True, True]
