"""DDPM Fig. 5 in real bytes: lossy files of the model, the bound that they should reach, and other formats."""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import torch
from PIL import Image, features
from torch import Tensor

from alphabar import images, plots
from alphabar.coding import codec, container, losses, restore
from alphabar.diffusion import vlb_terms
from alphabar.diffusion.likelihood import prior_term
from alphabar.errors import check_number
from alphabar.evaluation.codecs import without_padding
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress

BATCH = 32
QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
THEORY, FILES, WHOLE, SAMPLES = "theory", "files", "whole files", "filled in by a sample"
Points = list[tuple[float, float]]
"""Bytes for each image, and RMSE in grey levels."""


def lossy(pipeline: Pipeline, noises: Sequence[float], count: int, split: str = "test") -> plots.Figure:
    """Bytes and RMSE of the first images of a split, without the padding, for each noise that is left.

    The bound's errors are those of all values, as if all lay outside the padding.
    """
    check_number("--count", count, 2)
    found = pipeline.model.images(split)
    some = found.images[:count].cpu()
    real = without_padding(some, None if found.stored is None else found.stored[:count].tolist())
    sizes = [(int(real.shape[2]), int(real.shape[3]))] * len(some)
    pile = codec.Pile([f"{k}.png" for k in range(len(some))], sizes, lambda numbers: some[list(numbers)])
    curves: dict[str, Points] = {THEORY: _theory(pipeline, some, some[0].numel() / real[0].numel())}
    curves |= _files(pipeline, pile, real, noises)
    curves |= {name: _format(real, save) for name, save in _formats(real.shape[1]).items()}
    columns = [np.array(points, dtype=np.float64).T for points in curves.values()]
    table = plots.Table.of(
        *(
            {"curve": name, "n": len(some), "bytes": size, "rmse": rmse, "psnr": 20 * np.log10(255 / rmse)}
            for name, (size, rmse) in zip(curves, columns, strict=True)
        )
    )
    note = f"{len(some)} test images of {real.shape[2]}x{real.shape[3]}, {pipeline.steps_per_image} steps"
    return plots.Figure(plots.lossy(dict(zip(curves, columns, strict=True)), note), table)


def _theory(pipeline: Pipeline, some: Tensor, padding: float) -> Points:
    """L_T + L_{T−1} + ... + L_k, and the error of x̂_0(x_k), for each k (DDPM §4.3)."""
    generator, T, dims = torch.Generator().manual_seed(0), pipeline.steps_per_image, some[0].numel()
    terms, mse, prior = np.zeros((len(some), T)), np.zeros((len(some), T)), np.zeros(len(some))
    with progress("bound", len(some)) as advance:
        for rows in _batches(len(some)):
            x0 = images.to_signed(some[list(rows)].to(pipeline.model.device))
            prior[rows] = prior_term(pipeline.denoiser.schedule, x0).cpu()
            noise = _noise(x0, generator)
            for term in vlb_terms(pipeline.conditioned(pipeline.job(rows)), x0, noise=noise):
                terms[rows, term.t - 1], mse[rows, term.t - 1] = term.vlb.cpu(), term.x0_mse.cpu()
                advance(len(rows) / T)
    rate = prior.mean() + np.append(terms.mean(0)[:0:-1].cumsum()[::-1], 0.0)  # of x_1, ..., x_T
    return [*zip(rate * dims / 8, 127.5 * np.sqrt(mse.mean(0) * padding), strict=True)]


def _noise(x0: Tensor, generator: torch.Generator) -> Callable[[int], Tensor]:
    return lambda t: torch.randn(x0.shape, generator=generator).to(x0.device)


def _files(pipeline: Pipeline, pile: codec.Pile, real: Tensor, noises: Sequence[float]) -> dict[str, Points]:
    """What lossy files take, without names, checksums and header or with them, and what is shown of them."""
    levels = {kept.level: kept for kept in (losses.kept(pipeline.denoiser.schedule, noise) for noise in noises)}
    made: dict[str, Points] = {FILES: [], WHOLE: [], SAMPLES: []}
    for kept in levels.values():
        coded = codec.encode(pipeline, pile, BATCH, "float32", kept)
        y = codec.Coder(pipeline, "float32", kept.level).coded(pile)
        size = coded.image_bits / 8 / len(pile)
        error = {
            fill: _rmse(
                torch.cat([losses.shown(pipeline, coded.header, y.read(r), r, fill) for r in _batches(len(pile))]), real
            )
            for fill in restore.FILLS
        }
        made[FILES].append((size, error["mean"]))
        made[WHOLE].append((len(container.packed(coded.header, coded.words)) / len(pile), error["mean"]))
        made[SAMPLES].append((size, error["sample"]))
    return made


def _rmse(shown: Tensor, real: Tensor) -> float:
    """In grey levels, of the middle of the images that is as large as the real ones."""
    top, left = ((a - b) // 2 for a, b in zip(shown.shape[2:], real.shape[2:], strict=True))
    inner = shown[:, :, top : top + real.shape[2], left : left + real.shape[3]]
    return math.sqrt(float((inner.double() - real.double()).square().mean()))


def _batches(count: int) -> Iterator[range]:
    return (range(start, min(start + BATCH, count)) for start in range(0, count, BATCH))


Save = Callable[[Image.Image, io.BytesIO, int], None]


def _formats(channels: int) -> dict[str, Save]:
    """The other formats that Pillow writes here, as `save(image, file, quality)`."""
    if channels not in (1, 3):
        return {}
    if find_spec("pillow_jxl"):
        import_module("pillow_jxl")  # which tells Pillow of the format
    formats: dict[str, Save] = {"JPEG": lambda image, file, q: image.save(file, "JPEG", quality=q, optimize=True)}
    if features.check("webp"):
        formats["WebP"] = lambda image, file, q: image.save(file, "WEBP", quality=q, method=6)
    if "JXL" in Image.SAVE:
        formats["JPEG XL"] = lambda image, file, q: image.save(file, "JXL", quality=q, effort=9)
    return formats


def _format(real: Tensor, save: Save) -> Points:
    points = []
    for quality in QUALITIES:
        size, shown = 0, []
        for image in real:
            picture, file = images.to_pil(image), io.BytesIO()
            save(picture, file, quality)
            size += file.tell()
            shown.append(
                torch.from_numpy(np.array(Image.open(file, formats=("JPEG", "WEBP", "JXL")).convert(picture.mode)))
            )
        decoded = torch.stack(shown).reshape(len(real), *real.shape[2:], -1).permute(0, 3, 1, 2)
        points.append((size / len(real), _rmse(decoded, real)))
    return points
