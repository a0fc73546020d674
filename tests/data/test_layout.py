"""Test images are never trained on: splits and classes are recognised by folders alone, and the rest is said."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alphabar.data import DataOptions, ImageSet, NoSplitError, inspect, load
from alphabar.data.layout import layout
from alphabar.data.listing import Listing
from alphabar.data.split_names import split_of
from alphabar.errors import AlphabarError

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A folder with these images (.png), empty folders (a last slash), and other files."""

    def grow(*names: str) -> Path:
        root = tmp_path / "set"
        for k, name in enumerate(names):
            path = root / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if name.endswith(".png"):
                Image.new("RGB", (8, 8), (k, 0, 0)).save(path)
            elif not name.endswith("/"):
                path.write_text("x")
        return root

    return grow


def read(root: Path, **changes: str) -> ImageSet:
    return load("folder", replace(DataOptions(path=root), **changes))


def sentence(root: Path, **changes: str) -> str:
    with pytest.raises(AlphabarError) as caught:
        read(root, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SPLIT = ("train/a.png", "train/b.png", "test/c.png")
BESIDE = ["README.md", "empty/", "__MACOSX/._a.png", "Thumbs.db", "metadata.csv", ".git/x", "a.png", "more/d.png"]
BESIDE += ["labels/a.txt", "desktop.ini", "@eaDir/a.png", "val/v.png"]


@pytest.mark.parametrize("beside", BESIDE)
def test_nothing_that_lies_beside_the_splits_makes_their_images_one_set(tree: Tree, beside: str) -> None:
    root = tree(*SPLIT, beside)
    assert len(read(root)) == 2 and len(read(root, split="test")) == 1
    assert read(root).num_classes == 0 and read(root).contents.split == "train"
    assert inspect(root, DataOptions()).loaded == 2


SPELLINGS = [("Train", "Test"), ("TRAIN", "TESTING"), ("training", "testing"), ("train2017", "test2017")]
SPELLINGS += [
    ("train_set", "test_set"),
    ("TrainImages", "TestImages"),
    ("trainset", "testset"),
    ("seg_train", "seg_test"),
]
SPELLINGS += [("train_64x64", "test_64x64"), ("mnist-train", "mnist-test"), ("01 training data", "02 test data")]
SPELLINGS += [("TRAIN", "tEst"), ("traindata", "testdata"), ("train_images", "testimages")]


@pytest.mark.parametrize(("train", "test"), SPELLINGS)
def test_splits_are_recognised_in_their_usual_spellings(tree: Tree, train: str, test: str) -> None:
    root = tree(f"{train}/a.png", f"{train}/b.png", f"{test}/c.png", "notes.txt")
    assert [len(read(root, split=split)) for split in ("train", "test")] == [2, 1]


@pytest.mark.parametrize("name", ["val", "Valid", "validation", "dev", "val2017", "eval", "held_out", "hold-out"])
def test_a_validation_split_is_no_training_data_and_no_test_split(tree: Tree, name: str) -> None:
    root = tree("train/a.png", f"{name}/b.png")
    assert len(read(root)) == len(read(root, split="val")) == 1
    with pytest.raises(NoSplitError, match=f"only {name}, train|only train, {name}"):
        read(root, split="test")


@pytest.mark.parametrize(
    "classes",
    [
        ("train", "plane"),
        ("test", "exam"),
        ("trainer", "tester"),
        ("toy_train", "crash_test"),
        ("val", "key"),
        ("a", "b"),
    ],
)
def test_classes_that_sound_like_a_split_stay_classes(tree: Tree, classes: Sequence[str]) -> None:
    assert read(tree(*(f"{name}/1.png" for name in classes))).class_names == tuple(sorted(classes))


def test_train_alone_is_the_split_and_its_folders_the_classes(tree: Tree) -> None:
    root = tree("train/cat/1.png", "train/dog/1.png", "README.md")
    assert read(root).class_names == ("cat", "dog")
    with pytest.raises(NoSplitError):
        read(root, split="test")


@pytest.mark.parametrize("wrapper", ["photos", "a/b/c"])
def test_folders_that_hold_one_folder_alone_are_looked_through(tree: Tree, wrapper: str) -> None:
    root = tree(*(f"{wrapper}/{name}" for name in SPLIT), "README.md")
    assert len(read(root)) == 2 and len(read(root, split="test")) == 1
    assert read(root).source == str(root / wrapper / "train")


def test_the_classes_of_a_single_folder_are_recognised(tree: Tree) -> None:
    assert read(tree("photos/cat/1.png", "photos/dog/1.png")).class_names == ("cat", "dog")


def test_a_split_that_holds_one_folder_alone_is_looked_through_and_a_class_is_not(tree: Tree) -> None:
    inner = (
        "training_set/training_set/cat/1.png",
        "training_set/training_set/dog/1.png",
        "test_set/test_set/dog/1.png",
    )
    root = tree(*inner, "test_set/readme.md")
    assert read(root).class_names == ("cat", "dog") and read(root, split="test").class_names == ("dog",)


AMBIGUOUS = {
    "two training folders": ("train2014/x/a.png", "train/b.png", "test/c.png"),
    "splits inside of classes": ("cat/train/a.png", "cat/test/b.png", "dog/train/c.png", "dog/test/d.png"),
    "splits of one folder of several": ("mine/train/a.png", "mine/test/b.png", "previews/c.png"),
    "splits inside of a split": ("train/fold/train/a.png", "train/fold/val/b.png", "test/c.png"),
}


@pytest.mark.parametrize("names", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_layout_is_a_sentence_and_not_a_guess(tree: Tree, names: Sequence[str]) -> None:
    assert any(word in sentence(tree(*names)) for word in ("several folders for one split", "is divided into"))


def test_a_folder_of_test_images_alone_is_not_trained_on(tree: Tree) -> None:
    root = tree("test/a.png", "README.md")
    with pytest.raises(NoSplitError):
        read(root)
    assert len(read(root, split="test")) == 1


def test_an_empty_split_is_no_reason_to_train_on_the_other(tree: Tree) -> None:
    root = tree("train/", "test/a.png")
    assert "is empty" in sentence(root)
    (root / "test").rename(root / "Train2")
    (root / "train").rename(root / "test")
    assert "is empty" in sentence(root, split="test") and len(read(root)) == 1


def test_what_is_left_out_is_said_in_the_line_of_the_set(tree: Tree) -> None:
    root = tree(*SPLIT, "train/old.psd", "train/new.psd", "train/list.txt", "extra/x.png", "loose.png", "readme.md")
    line = read(root).described()
    assert "split train of train, test" in line and "no classes" in line
    for phrase in ("1 image in extra", "1 image beside them", "2 files (.psd)", "1 file (.txt)"):
        assert phrase in line, line
    assert "readme" not in line and "\n" not in line


def test_classes_that_cannot_be_are_said(tree: Tree) -> None:
    assert "1 image beside the folders" in read(tree("x/a/1.png", "x/b/1.png", "x/c.png")).described()


def test_a_class_folder_without_images_is_said(tree: Tree) -> None:
    assert "the folder c, without images" in read(tree("p/a/1.png", "p/b/1.png", "p/c/")).described()


def test_deep_images_are_no_classes_and_that_is_said(tree: Tree) -> None:
    assert "1 image deeper" in read(tree("a/1.png", "b/1.png", "b/old/2.png")).described()


def test_a_split_has_the_classes_of_its_folders_even_if_it_is_one(tree: Tree) -> None:
    root = tree("train/a/1.png", "train/b/1.png", "train/c/1.png", "test/b/1.png")
    assert read(root, split="test").class_names == ("b",)
    assert read(tree("test/1.png"), split="test").class_names == ()


def test_two_spellings_of_one_class_are_not_merged(tree: Tree) -> None:
    accents = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    assert read(tree("a/1.png", f"{accents[1]}/1.png")).class_names == ("a", accents[0])
    assert "two spellings of Unicode" in sentence(tree(*(f"{name}/1.png" for name in accents)))


def test_classes_that_differ_in_spaces_alone_are_refused_because_nobody_can_tell_them_apart(tree: Tree) -> None:
    assert "two classes called cat" in sentence(tree("cat/1.png", "cat /1.png"))


NAMES = st.sampled_from(["train", "Test", "val", "cat", "dog", "train2017", "seg_test", "x.png", "y.png", "z.txt"])


@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: Path(*parts)), max_size=12))
def test_no_image_of_a_test_folder_is_in_the_training_split(paths: set[Path]) -> None:
    images = [path for path in paths if path.suffix == ".png" and not any(p.suffix for p in path.parents)]
    folders = {parent for path in images for parent in path.parents} - {Path()}
    listing = Listing(tuple(sorted(images)), (), tuple(sorted(folders)), ())
    try:
        plan = layout(Path("set"), listing, "train")
    except AlphabarError:
        return
    trained = {plan.folder / path for path in plan.listing.images}
    assert trained <= set(images)
    for path in trained:
        for parent in path.parents:
            kinds = {
                named[0]: named
                for child in folders
                if child.parent == parent.parent and (named := split_of(child.name))
            }
            if parent.name and (mine := split_of(parent.name)) and mine[0] != "train" and "train" in kinds:
                assert kinds["train"][1] != mine[1], (path, plan.folder)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "twemoji"])
def test_published_sets_have_no_third_split(name: str) -> None:
    with pytest.raises(NoSplitError, match="has no 'val' split"):
        load(name, DataOptions(split="val", download=False))
