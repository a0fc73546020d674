"""Writes films as .gif, .webp (lossless) or .mp4 (by the program ffmpeg), with a comment stored inside."""

import io
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.files.outputs import FILM, ends, mark, written
from alphabar.images import opened, to_pil
from alphabar.registry import look_up

RATE = 50
"""The maximum number of frames per second. Browsers play a faster GIF at only 10."""
SHORTEST, LONGEST = 0.1, 600.0  # seconds
_LINE = 2  # pixels
_MARK = f"{mark(FILM)} of "
_EXIF_DESCRIPTION = 0x010E
_BOX = b"uuid" + UUID("8f5ad3a6-7c0e-4d0c-9f0e-616c70686162").bytes
"""The type of the last box of an MP4 file, which holds the comment. Players skip boxes of unknown type."""

Write = Callable[[BinaryIO, Sequence[Image.Image], Sequence[int], str], None]
"""Function (file, grey or RGB pictures, duration of each in milliseconds, comment) that writes a film."""


@dataclass(frozen=True)
class Format:
    """A film format: its writer, and the largest side of its pictures in pixels."""

    write: Write
    most: int


def save(path: Path, frames: Sequence[Tensor], seconds: float = 4.0, hold: float = 1.5, comment: str = "") -> None:
    """Writes uint8 (C, H, W) frames as a loop of `seconds`, with the last frame held for `hold` seconds more.

    The suffix of `path` decides the format. The comment must be ASCII. If there are more frames than RATE allows,
    evenly spaced ones are used, including the last. Transparency is dropped.
    """
    check(path)
    if not frames:
        raise AlphabarError("A film needs at least one frame; got 0.")
    if not SHORTEST <= seconds <= LONGEST:
        raise AlphabarError(f"A film lasts from {SHORTEST:g} to {LONGEST:g} seconds; got {seconds:g}.")
    kind = FORMATS[_kind(path)]
    if (side := max(frames[0].shape[1:])) > kind.most:
        raise AlphabarError(
            f"The frames have a side of {side:,} pixels; a {path.suffix.lower()} film has at most {kind.most:,}."
        )
    shown = min(len(frames), max(1, int(seconds * RATE)))
    spaced = [frames[(k + 1) * len(frames) // shown - 1] for k in range(shown)]
    times = [max(20, round(100 * seconds / shown) * 10)] * shown  # milliseconds, in GIF's hundredths of a second
    times[-1] += round(hold * 1000)
    pictures = [to_pil(frame) for frame in spaced]
    with written(path, FILM) as file:
        kind.write(file, [p if p.mode == "L" else p.convert("RGB") for p in pictures], times, f"{_MARK}{comment}")


def check(path: Path) -> None:
    """Raises AlphabarError if a film with the suffix of `path` cannot be written. Call it before sampling frames."""
    if _kind(path) not in FORMATS:
        *others, last = (f".{name}" for name in FORMATS)
        raise AlphabarError(f"A film is a {', '.join(others)} or {last} file; got {path}.")
    if _kind(path) == "mp4":
        _ffmpeg()


def check_format(name: str) -> None:
    """Raises AlphabarError if `name` is not a film format or films of that format cannot be written."""
    look_up(FORMATS, name, "film format")
    check(Path(f"film.{name}"))


def comment_of(path: Path) -> str | None:
    """The comment stored in the film at `path`; None if there is no film that `save` wrote."""
    comment = _stored(path)
    return comment.removeprefix(_MARK) if comment is not None and comment.startswith(_MARK) else None


def _stored(path: Path) -> str | None:
    try:
        if _kind(path) == "mp4":
            _, box, text = ends(path).rpartition(_BOX)
            return text.decode() if box else None
        with opened(path, ("GIF", "WEBP")) as film:
            if film.format == "GIF":
                return bytes(film.info["comment"]).decode()
            return str(film.getexif()[_EXIF_DESCRIPTION])
    except (OSError, ValueError, SyntaxError, KeyError):  # Pillow: a SyntaxError for a broken chunk
        return None


def titled(frames: Sequence[Tensor], titles: Sequence[str]) -> list[Tensor]:
    """The frames, uint8 (C, H, W) of one size, each with its title in white on black and a grey line above it."""
    height, width = frames[0].shape[1:]
    font = ImageFont.load_default(max(12, min(24, height // 24)))
    boxes = [font.getbbox(title, anchor="ls") for title in titles]
    above, below = -min(box[1] for box in boxes), max(box[3] for box in boxes)
    margin = round(above + below) // 2
    wide = max(width, *(round(box[2]) + 2 * margin for box in boxes))
    strip = round(above + below) + 2 * margin + _LINE
    results = []
    for frame, title in zip(frames, titles, strict=True):
        text = Image.new("L", (wide, strip))
        ImageDraw.Draw(text).text((wide / 2, margin + above), title, fill=255, font=font, anchor="ms")
        canvas = frame.new_zeros(len(frame), strip + height, wide)
        canvas[:, :strip] = torch.from_numpy(np.array(text))
        canvas[:, strip - _LINE : strip] = 128
        canvas[3:] = 255  # opaque
        left = (wide - width) // 2
        canvas[:, strip:, left : left + width] = frame
        results.append(canvas)
    return results


def _kind(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _write_gif(file: BinaryIO, pictures: Sequence[Image.Image], times: Sequence[int], comment: str) -> None:
    few = [p if p.mode == "L" else p.quantize(256, dither=Image.Dither.NONE) for p in pictures]
    few[0].save(file, format="GIF", save_all=True, append_images=few[1:], duration=list(times), loop=0, comment=comment)


def _write_webp(file: BinaryIO, pictures: Sequence[Image.Image], times: Sequence[int], comment: str) -> None:
    exif = Image.Exif()
    exif[_EXIF_DESCRIPTION] = comment
    pictures[0].save(
        file, format="WEBP", save_all=True, append_images=pictures[1:], duration=list(times), loop=0, lossless=True,
        exif=exif,
    )  # fmt: skip


def _write_mp4(file: BinaryIO, pictures: Sequence[Image.Image], times: Sequence[int], comment: str) -> None:
    """Writes MP4, as H.264 if ffmpeg has that encoder, in the widely supported format yuv420p (with even sides)."""
    frames = io.BytesIO()
    for picture in pictures:
        _even(picture).save(frames, format="PNG", compress_level=1)
    hold = (times[-1] - times[0]) / 1000
    command = [
        _ffmpeg(), "-v", "error", "-f", "image2pipe", "-c:v", "png", "-framerate", f"1000/{times[0]}", "-i", "-",
        "-vf", f"fps={RATE},tpad=stop_mode=clone:stop_duration={hold}", "-pix_fmt", "yuv420p", "-crf", "18",
        "-movflags", "+faststart", "-metadata", f"comment={comment}", "-f", "mp4", "-y",
        f"file:{Path(file.name).absolute()}",
    ]  # fmt: skip
    done = subprocess.run(command, input=frames.getvalue(), capture_output=True, check=False)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().partition("\n")[0] or f"status {done.returncode}"
        raise AlphabarError(f"ffmpeg could not write the film ({why}); .gif and .webp do not need ffmpeg.")
    text = comment.encode()
    file.seek(0, io.SEEK_END)
    file.write((4 + len(_BOX) + len(text)).to_bytes(4, "big") + _BOX + text)


def _ffmpeg() -> str:
    program = shutil.which("ffmpeg")
    if program is None:
        raise AlphabarError(
            "An .mp4 film needs the program ffmpeg, which is not on the PATH; install it, or choose .gif or .webp."
        )
    return program


def _even(picture: Image.Image) -> Image.Image:
    """The picture with even sides: the last row or column is repeated if their number is odd."""
    pixels = np.asarray(picture)
    sides = [(0, side % 2) for side in pixels.shape[:2]]
    return Image.fromarray(np.pad(pixels, [*sides, *[(0, 0)] * (pixels.ndim - 2)], mode="edge"))


FORMATS: Mapping[str, Format] = {
    "gif": Format(_write_gif, 65535),
    "webp": Format(_write_webp, 16383),
    "mp4": Format(_write_mp4, 16384),
}
