"""A metadata.csv with file_name and label says the classes, as in Hugging Face's image folders; another does not."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from alphabar.cli.inspection import table
from alphabar.data import DataOptions, ImageSet, load
from alphabar.data.inspection import inspect
from alphabar.errors import AlphabarError

Folder = Callable[..., Path]
NAMES = ("train/a.png", "train/b.png", "train/c.png")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder of images, and a metadata.csv beside those of the training split."""

    def make(text: str | bytes, *names: str) -> Path:
        root = tmp_path / "set"
        for k, name in enumerate(names or NAMES):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 40 * k).save(root / name)
        (root / "train" / "metadata.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        return root

    return make


def read(root: Path) -> ImageSet:
    return load("folder", DataOptions(path=root))


def labelled(images: ImageSet) -> list[str]:
    """The class of each image, in the order of their names."""
    assert images.labels is not None
    return [images.class_names[k] for k in images.labels.tolist()]


def test_the_column_label_says_the_classes_and_the_line_of_the_set_says_so(folder: Folder) -> None:
    images = read(folder('\ufefftext,label,file_name\r\n,dog,a.png\r\n"x\ny",cat,./b.png\r\n,dog,c.png\r\n'))
    assert labelled(images) == ["dog", "cat", "dog"] and images.class_names == ("cat", "dog")
    assert "classes by metadata.csv" in images.described() and "(.csv)" not in images.described()


def test_it_goes_before_class_folders_and_numbers_are_in_their_order(folder: Folder) -> None:
    root = folder(
        "file_name,label\nx/1.png,10\nx/2.png,9\ny/1.png,10\n", "train/x/1.png", "train/x/2.png", "train/y/1.png"
    )
    assert read(root).class_names == ("9", "10") and labelled(read(root)) == ["10", "9", "10"]


def test_labels_of_images_that_do_not_exist_are_said(folder: Folder) -> None:
    assert (
        "1 label of images that do not exist"
        in read(folder("file_name,label\na.png,x\nb.png,y\nc.png,x\nd.png,x\n")).described()
    )


@pytest.mark.parametrize(
    "text",
    ["file_name,text\na.png,a cat\n", "image_id,label\n1,cat\n", "file_name,label\na.png,\n", "", b"\xff\xfe\x00junk"],
)
def test_a_table_about_something_else_is_a_file_like_others(folder: Folder, text: str | bytes) -> None:
    images = read(folder(text))
    assert images.labels is None and "left out: 1 file (.csv)" in images.described()


WRONG = {
    "no label": ("file_name,label\na.png,x\nb.png,y\n", "no label for 1 of 3 images, such as c.png"),
    "an empty one": ("file_name,label\na.png,x\nb.png,y\nc.png, \n", "no label for 1 of 3 images, such as c.png"),
    "two labels": ("file_name,label\na.png,x\na.png,y\nb.png,y\nc.png,y\n", "two labels for a.png: x and y"),
    "not UTF-8": (b"file_name,label\na.png,\xe9t\xe9\n", "it is not CSV in UTF-8"),
    "an open quote": ('file_name,label\na.png,"x\n', "it is not CSV in UTF-8"),
    "a huge field": ('file_name,label\na.png,"' + "x" * 200_000 + '"\n', "it is not CSV in UTF-8"),
    "spaces": ("file_name,label\na.png,x\nb.png,x \nc.png,x\n", "two classes called x"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_table_that_is_wrong_is_a_sentence(folder: Folder, text: str | bytes, said: str) -> None:
    with pytest.raises(AlphabarError) as caught:
        read(folder(text))
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_no_control_character_of_a_label_reaches_a_terminal(folder: Folder) -> None:
    images = read(folder("file_name,label\na.png,\x1b[31mred\nb.png,b\nc.png,b\n"))
    assert "\x1b" not in images.described() and "\\x1b[31mred" in images.class_names


def test_inspect_says_that_it_made_the_classes(folder: Folder) -> None:
    root = folder("file_name,label\na.png,cat\nb.png,dog\nc.png,cat\n")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(inspect(root, DataOptions())))
    said = " ".join(console.export_text().split())
    assert "cat" in said and "│ classes by │ metadata.csv" in said
