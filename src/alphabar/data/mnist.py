"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images, grey, 28x28, in ten classes.

They are read from IDX files whose checksums are verified. A checksum is that of the *unpacked* file, so that repacked
files (Debian's Fashion-MNIST) pass and altered ones do not. Many public repositories agree on these checksums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from alphabar.data.download import obtain
from alphabar.data.files import PUBLISHED_SPLITS, check_split, exists, places, shown
from alphabar.data.fit import Pixels
from alphabar.data.idx import image_set_from_idx, read_idx
from alphabar.data.image_set import ImageSet
from alphabar.data.options import DataOptions
from alphabar.files import cache_folder

_PREFIXES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Published:
    """A published data set of four IDX files: its checksums, its mirrors and the folders to search."""

    name: str
    class_names: tuple[str, ...]
    sha256: Mapping[str, str]  # file name -> hash of the unpacked file
    mirrors: tuple[str, ...]
    folders: tuple[Path, ...]  # torchvision's folder below data_root, and that of a Linux package
    advice: str = ""


MNIST = Published(
    name="mnist",
    class_names=tuple("0123456789"),
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    folders=(Path("MNIST/raw"),),
)

FASHION_MNIST = Published(
    name="fashion_mnist",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    sha256={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    folders=(Path("FashionMNIST/raw"), Path("/usr/share/datasets/fashion-mnist")),
    advice=" Or, on Debian or Ubuntu, run `apt install dataset-fashion-mnist`.",
)


def mnist(options: DataOptions) -> ImageSet:
    """70,000 handwritten digits, 28x28, grey (LeCun, Cortes and Burges)."""
    return _load(MNIST, options)


def fashion_mnist(options: DataOptions) -> ImageSet:
    """70,000 pieces of clothing, 28x28, grey (Xiao, Rasul and Vollgraf; Zalando, MIT licence)."""
    return _load(FASHION_MNIST, options)


def _load(published: Published, options: DataOptions) -> ImageSet:
    check_split(published.name, options, PUBLISHED_SPLITS)
    prefix = _PREFIXES[options.split]
    images, source = _read(published, f"{prefix}-images-idx3-ubyte", 3, options)
    labels, _ = _read(published, f"{prefix}-labels-idx1-ubyte", 1, options)
    image_set = image_set_from_idx(published.name, images, labels, published.class_names, published.name, options)
    return replace(image_set, source=shown(source))


def _read(published: Published, file: str, rank: int, options: DataOptions) -> tuple[Pixels, Path]:
    """The array and its path. An existing file that is not the published one raises an error; it is never skipped."""
    sha256 = published.sha256[file]
    folders = places(published.name, options, published.folders)
    for path in (folder / name for folder in folders for name in (file, f"{file}.gz")):
        if exists(path):
            return read_idx(path, rank, sha256), path
    target = cache_folder(published.name) / f"{file}.gz"
    urls = [mirror + target.name for mirror in published.mirrors]
    advice = f"Put the files of {published.mirrors[0]} into one of these folders.{published.advice}"
    obtain(urls, target, lambda path: read_idx(path, rank, sha256), options, folders, advice)
    return read_idx(target, rank, sha256), target
