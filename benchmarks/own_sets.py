"""The pictures of docs/results/own_images.md and noisenet.md, from Debian packages: python -m benchmarks.own_sets OUT

`icons` needs faenza-icon-theme, `wallpapers` mate-backgrounds (both GPL), and `glyphs` fonts-noto-cjk (OFL); what is
not installed is left out.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

THEME, SIZES = Path("/usr/share/icons/Faenza"), (22, 24, 32, 48, 64, 96, 128)
KINDS = ("actions", "apps", "categories", "devices", "emblems", "mimetypes", "places", "status")
NATURE = Path("/usr/share/backgrounds/mate/nature")
FONT = Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc")
CHARACTERS, GLYPHS = range(0x4E00, 0x9FA5), 4000
HELD_OUT = 250
"""Icons, chosen by the hash of their names."""
CROPS = 100
"""Of each wallpaper, of which every eighth is held out."""


def icons(out: Path) -> None:
    """The largest of each name, in class folders; of files that are equal, the first."""
    found: dict[str, Path] = {}
    for kind in KINDS:
        largest = {path.stem: path for size in SIZES for path in (THEME / kind / str(size)).glob("*.png")}
        files = {hashlib.sha256(path.read_bytes()).digest(): path for _, path in sorted(largest.items(), reverse=True)}
        found |= {f"{kind}/{path.name}": path for path in files.values()}
    order = sorted(found, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    for number, name in enumerate(order):
        to = out / "icons" / ("test" if number < HELD_OUT else "train") / name
        to.parent.mkdir(parents=True, exist_ok=True)
        Image.open(found[name]).convert("RGBA").save(to)


def wallpapers(out: Path) -> None:
    """Squares of 48 to 199 pixels of photos that are 640 pixels wide, shrunk to 48."""
    random = np.random.default_rng(0)
    for path in sorted(NATURE.glob("*.jpg")):
        photo = Image.open(path).convert("RGB")
        photo.thumbnail((640, 640))
        for number in range(CROPS):
            side = int(random.integers(48, 200))
            left, top = (int(random.integers(0, length - side)) for length in photo.size)
            to = out / "wallpapers" / ("train" if number % 8 else "test") / f"{path.stem}-{number}.png"
            to.parent.mkdir(parents=True, exist_ok=True)
            photo.crop((left, top, left + side, top + side)).resize((48, 48), Image.Resampling.BOX).save(to)


def glyphs(out: Path) -> None:
    """Chinese characters, black on white, 32x32: 4,000 of 20,901, of which about 13 % are held out."""
    font = ImageFont.truetype(FONT, 30)
    for code in sorted(np.random.default_rng(0).choice(np.array(CHARACTERS), GLYPHS, replace=False).tolist()):
        is_held_out = int(hashlib.sha256(str(code).encode()).hexdigest(), 16) % 1000 < 130
        to = out / "glyphs" / ("test" if is_held_out else "train") / f"{code:x}.png"
        to.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("L", (32, 32), 255)
        ImageDraw.Draw(picture).text((16, 16), chr(code), font=font, fill=0, anchor="mm")
        picture.save(to)


SETS = {"icons": (icons, THEME), "wallpapers": (wallpapers, NATURE), "glyphs": (glyphs, FONT)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser("benchmarks.own_sets", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    folder = parser.parse_args().out
    for name, (make, needs) in SETS.items():
        if needs.exists():
            make(folder)
        else:
            print(f"{name} is left out: there is no {needs}")
