"""A folder of whatever people have: faulty files are named and skipped, and each mistake has a sentence of its own."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alphabar.data import DataOptions, ImageSet, load
from alphabar.errors import AlphabarError

Photos = Callable[..., Path]


def read(path: Path, **changes: object) -> ImageSet:
    return load("folder", replace(DataOptions(path=path), **changes))


def sentence(path: Path | None, **changes: object) -> str:
    with pytest.raises(AlphabarError) as caught:
        load("folder", replace(DataOptions(path=path), **changes))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_are_loaded_exactly_and_in_the_order_of_their_names(photos: Photos) -> None:
    folder = photos(30)
    images = read(folder).images
    assert images.shape == (30, 3, 8, 8)
    for k in (0, 7, 29):
        assert np.array_equal(images[k].permute(1, 2, 0), np.asarray(Image.open(folder / f"{k:03}.png")))


def test_grey_files_make_one_channel_and_a_single_colour_file_makes_three(photos: Photos) -> None:
    folder = photos(5, (8, 8))
    assert read(folder).shape == (1, 8, 8)
    assert read(folder, channels=3).shape == (3, 8, 8)
    photos(1, (8, 8, 3))
    assert read(folder).shape == (3, 8, 8)
    assert read(folder, channels=4).shape == (4, 8, 8)
    assert "1, 3 or 4" in sentence(folder, channels=2)


def test_class_folders_become_labels(photos: Photos) -> None:
    for name, count in (("zebra", 2), ("ant", 3), ("10", 1)):
        photos(count, name=f"zoo/{name}")
    images = read(photos(0, name="zoo"))
    assert images.class_names == ("10", "ant", "zebra")
    assert images.labels is not None
    assert images.labels.tolist() == [0, 1, 1, 1, 2, 2]


def test_a_single_sub_folder_or_loose_or_deep_images_are_no_classes(photos: Photos) -> None:
    root = photos(3, name="a/one").parent
    assert read(root).num_classes == 0
    photos(3, name="a/two")
    assert read(root).num_classes == 2
    photos(3, name="a/two/deep")
    assert read(root).num_classes == 0
    assert len(read(root)) == 9


def test_a_folder_of_splits_stands_for_its_splits(photos: Photos) -> None:
    root = photos(3, name="set/train").parent
    photos(2, name="set/test")
    assert len(read(root)) == 3
    assert len(read(root, split="test")) == 2
    assert read(root).num_classes == 0
    (root / "test").rename(root / "val")
    assert "only train, val" in sentence(root, split="test")


def test_train_among_other_classes_is_a_class(photos: Photos) -> None:
    root = photos(3, name="vehicles/train").parent
    photos(2, name="vehicles/plane")
    assert read(root).class_names == ("plane", "train")


def test_suffixes_count_in_any_case_and_hidden_or_other_files_do_not(photos: Photos) -> None:
    folder = photos(2)
    for name in ("A.JPG", "b.jpeg", "c.WebP", "d.bmp", "e.TIFF", "f.gif"):
        Image.new("RGB", (8, 8)).save(folder / name)
    for junk in (".hidden.png", "Thumbs.db", "notes.txt", "__MACOSX/x.png", ".git/y.png"):
        (folder / junk).parent.mkdir(exist_ok=True)
        (folder / junk).write_bytes(b"junk")
    assert len(read(folder)) == 8


ODD_NAMES = [b"\xff.png", b"new\nline.png", b"-rf.png", "\N{GRINNING FACE}.png".encode(), b"x" * 251 + b".png"]
ODD_NAMES += ["e\N{COMBINING ACUTE ACCENT}.png".encode(), "\N{LATIN SMALL LETTER E WITH ACUTE}.png".encode()]
ODD_NAMES += [b"[bold]a[dim].png", b" .png", b"a'b\".png"]


def test_odd_names_load(photos: Photos) -> None:
    folder = photos(1)
    content = (folder / "000.png").read_bytes()
    for name in ODD_NAMES:
        (folder / os.fsdecode(name)).write_bytes(content)
    assert len(read(folder)) == 1 + len(ODD_NAMES)


def test_faulty_images_are_skipped_and_named(photos: Photos, caplog: pytest.LogCaptureFixture) -> None:
    folder = photos(100)
    good = read(folder)
    (folder / "050.png").write_bytes((folder / "050.png").read_bytes()[:60])
    (folder / "\udcff.png").write_bytes(b"<html>")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to("nowhere")
    with caplog.at_level(logging.WARNING):
        images = read(folder)
    assert torch.equal(images.images, torch.cat([good.images[:50], good.images[51:]]))
    assert "4 images skipped" in caplog.text
    for words in ("050.png (it cannot be decoded", "\\xff.png (it is not an image", "pipe.png (it is not a regular"):
        assert words in caplog.text


def test_which_are_skipped_does_not_change_from_load_to_load(photos: Photos) -> None:
    folder = photos(60)
    (folder / "007.png").write_bytes(b"")
    assert read(folder).fingerprint() == read(folder).fingerprint()


def test_more_than_five_percent_of_faults_stop_the_run(photos: Photos) -> None:
    folder = photos(100)
    for k in range(5):
        (folder / f"{k:03}.png").write_bytes(b"")
    assert len(read(folder)) == 95
    (folder / "005.png").write_bytes((folder / "005.png").read_bytes()[:60])  # its header is whole, its pixels are not
    assert "6 of 100 images" in sentence(folder)


def test_empty_missing_and_wrong_folders_have_their_own_sentences(photos: Photos, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    (tmp_path / "text" / "b.csv").write_text("b")
    bad = photos(3, name="bad")
    for path in bad.iterdir():
        path.write_bytes(b"")
    cases = {
        "is empty": tmp_path / "empty",
        "no images (1 .txt, 1 .csv)": tmp_path / "text",
        "There is no folder": tmp_path / "missing",
        "is a file": tmp_path / "text" / "a.txt",
        "None of the 3 images": bad,
        "add --data PHOTOS": None,
    }
    for words, path in cases.items():
        assert words in sentence(path)


def test_one_image_is_enough(photos: Photos) -> None:
    assert len(read(photos(1))) == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_skipped(photos: Photos) -> None:
    folder = photos(50)
    (folder / "003.png").chmod(0)
    assert len(read(folder)) == 49


def test_a_loop_of_links_ends(photos: Photos) -> None:
    folder = photos(3)
    (folder / "again").symlink_to(folder)
    assert len(read(folder)) == 3


def test_a_folder_that_is_linked_as_another_split_is_refused(photos: Photos) -> None:
    """Whichever of the two is the link. If val and test are one, train is read all the same."""
    for link, folder, others in [("test", "train", ()), ("train", "test", ()), ("test", "val", ("train",))]:
        root = photos(2, name=f"{link} to {folder}/{folder}").parent
        for name in others:
            photos(3, name=f"{root.name}/{name}")
        (root / link).symlink_to(root / folder)
        words = "is the folder of another split, too, by a link"
        assert words in sentence(root, split="test")
        if others:
            assert len(read(root)) == 3
        else:
            assert words in sentence(root)


def test_a_class_that_is_a_link_to_another_is_said_to_be_left_out(photos: Photos) -> None:
    for name in ("classes/b", "classes/c"):
        root = photos(2, name=name).parent
    (root / "a").symlink_to(root / "b")
    images = read(root)
    assert images.class_names in {("a", "c"), ("b", "c")} and len(images) == 4
    assert "which is another one, by a link" in images.contents.left_out[0]


def test_mixed_sizes_need_a_rule_and_the_sentence_says_which(photos: Photos) -> None:
    folder = photos(3, (8, 8, 3))
    Image.new("RGB", (20, 10)).save(folder / "wide.png")
    words = sentence(folder)
    assert "3 of 8x8, 1 of 10x20" in words
    assert "data.image_size" in words
    assert "data.resize=crop or pad" in words
    assert read(folder, image_size=(8, 8), resize="crop").shape == (3, 8, 8)
    assert read(folder, image_size=(16, 24), resize="pad").shape == (3, 16, 24)
    assert "another size than 16x16" in sentence(photos(3, name="same"), image_size=(16, 16))


def test_padding_keeps_the_pixels_of_smaller_images(photos: Photos) -> None:
    folder = photos(4, (6, 5, 3))
    padded = read(folder, image_size=(10, 9), resize="pad", background=(1, 2, 3)).images
    assert torch.equal(padded[:, :, 2:8, 2:7], read(folder).images)
    assert padded[0, :, 0, 0].tolist() == [1, 2, 3]
