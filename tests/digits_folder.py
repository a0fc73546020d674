"""A folder of digits in class sub-folders, with a test split, which the embedded set has not."""

from pathlib import Path

from alphabar import data, images


def digits_folder(root: Path) -> Path:
    """root/digits: 40 images in train/, 20 in test/."""
    digits = data.load("digits")
    for k in range(60):
        folder = root / "digits" / ("test" if k >= 40 else "train") / str(int(digits.labels[k]))
        folder.mkdir(parents=True, exist_ok=True)
        images.save_png(folder / f"{k}.png", digits.images[k])
    return root / "digits"
