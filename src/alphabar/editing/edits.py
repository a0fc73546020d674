"""What people do with pictures and a trained model: interpolate, inpaint, vary, encode, decode."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphabar import build, images
from alphabar.config import Sampling
from alphabar.diffusion import (
    DDIM,
    MIXES,
    Denoiser,
    SeededNoise,
    Step,
    encode,
    inpaint,
    inpainting_levels,
    interpolate,
    interpolate_latents,
    reverse_process,
    vary,
)
from alphabar.diffusion.spacing import NOISIEST
from alphabar.editing.pictures import Picture
from alphabar.errors import AlphabarError
from alphabar.progress import progress
from alphabar.registry import look_up
from alphabar.runs.model import Model
from alphabar.sampling import draw as drawing
from alphabar.sampling import job as generation

LATENTS = ("noised", "encoded")
"""How an image is brought to a level t: by q(x_t | x_0), or by running the sampler backwards."""


@dataclass(frozen=True)
class Editor:
    """A model and how it draws; label: the class that it is told, None for none."""

    run: Path
    model: Model
    section: Sampling
    label: int | None
    device: torch.device

    @property
    def T(self) -> int:
        """Of the network's own chain."""
        return self.model.denoiser.schedule.T

    def chain(self, t: int, count: int) -> Denoiser:
        """For `count` images: the denoiser on the grid of the section, cut at timestep t, which is its last row."""
        _checked(self, t)
        denoiser = build.with_variance(self.model.denoiser, self.section).respaced(self.rows(t))
        if self.label is None:
            return denoiser
        condition = build.condition(self.model.config, self.model.facts, self.section)
        return condition(denoiser, torch.full((count,), self.label, device=self.device))

    def rows(self, t: int) -> list[int]:
        """The section's grid, laid over 1..t with t its last row, and as many of its steps as t/T is of the chain."""
        schedule = self.model.denoiser.schedule
        if isinstance(self.section.steps, str):
            return [*(row for row in build.rows(schedule, self.section) if row < t), t]
        whole = build.rows(schedule, self.section)
        count = min(t, max(1, math.ceil(len(whole) * t / self.T)))
        part = self.section.model_copy(update={"steps": count})
        return [*build.rows(schedule.respace(range(1, t + 1)), part)[:-1], t]

    def told(self) -> dict[str, Any]:
        """How it draws: the settings that `alphabar sample` would keep."""
        return drawing.settings(self.run, self.model, self.section, self.label)

    def signed(self, *pictures: Picture) -> Tensor:
        """(N, C, H, W) in [−1, 1] on the device."""
        return images.to_signed(torch.stack([picture.pixels for picture in pictures])).to(self.device)


def _checked(editor: Editor, t: int) -> int:
    if not 1 <= t <= editor.T:
        raise AlphabarError(f"t must lie in 1..{editor.T}, from hardly changed to all noise; got {t}.")
    return t


def told_label(model: Model, asked: str | None, pictures: Sequence[Picture]) -> int | None:
    """The class to tell the network: the one asked for, or the pictures', or none where it knows images without."""
    names, drops = build.class_names(model.config, model.facts), model.config.network.label_dropout > 0
    if asked == "none" and drops:
        return None
    if asked is not None:
        return generation.parse_class(asked, names)
    labels = {picture.label for picture in pictures}
    if names and len(labels) == 1 and None not in labels:
        return labels.pop()
    if names and not drops:
        raise AlphabarError(
            f"This network is told a class, and the pictures do not say one; choose it with --class, 0 ({names[0]}) to "
            f"{len(names) - 1} ({names[-1]})."
        )
    return None


def interpolated(
    editor: Editor, a: Picture, b: Picture, times: Sequence[int], points: int, mix: str, latents: str, seed: int
) -> Tensor:
    """Rows for t (DDPM Fig. 8, 9): a, the mixtures from λ = 0 to 1, b; uint8 (len(times) · (points + 2), C, H, W).

    latents: of LATENTS; encoded ones are decoded by DDIM without noise, so that the ends are a and b.
    """
    mixing = look_up(MIXES, mix, "mix")
    weights = [k / (points - 1) for k in range(points)]
    both = editor.signed(a, b)
    chains = [editor.chain(t, points) for t in times]
    found = []
    with progress("interpolating", sum(chain.schedule.T for chain in chains)) as advance:
        for t, chain in zip(times, chains, strict=True):
            start, noise = chain.schedule.T, SeededNoise([seed])
            sampler = build.sampler(editor.section)
            if latents == "encoded":
                ends, _ = _encoded(editor, both, t)
                chain = replace(chain, x0_transform=None)
                steps = interpolate_latents(
                    DDIM(0.0), chain, ends[:1], ends[1:], start=start, weights=weights, mix=mixing, noise=noise
                )
            else:
                steps = interpolate(
                    sampler, chain, both[:1], both[1:], start=start, weights=weights, mix=mixing, noise=noise
                )
            end = _end(steps, advance)
            if latents == "encoded":
                ends = end[[0, -1]]
                _check_way_back(float(((ends - both).flatten(1).norm(dim=1) / both.flatten(1).norm(dim=1)).max()), t)
            found += [a.pixels[None], images.to_uint8(end).cpu(), b.pixels[None]]
    return torch.cat(found)


def varied(editor: Editor, picture: Picture, times: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Rows for t: the picture, and what it becomes from x_t with each seed; uint8 (len(times) · (N + 1), C, H, W)."""
    sampler, found = build.sampler(editor.section), []
    batches = _batches(editor, seeds)
    with progress("varying", sum(len(editor.rows(_checked(editor, t))) for t in times) * len(batches)) as advance:
        for t in times:
            found.append(picture.pixels[None])
            for batch in batches:
                x0, chain = editor.signed(picture).expand(len(batch), -1, -1, -1), editor.chain(t, len(batch))
                steps = vary(sampler, chain, x0, start=chain.schedule.T, noise=SeededNoise(batch))
                found.append(_last(steps, advance))
    return torch.cat(found)


MOST_TILES = 400
"""Of a sheet that is to be looked at."""


def _batches(editor: Editor, seeds: Sequence[int]) -> list[Sequence[int]]:
    """The seeds in batches of the section's size; AlphabarError for more than a sheet can show."""
    if len(seeds) > MOST_TILES:
        raise AlphabarError(f"A sheet shows at most {MOST_TILES} seeds; --seeds names {len(seeds):,}.")
    size = editor.section.batch_size
    return [seeds[k : k + size] for k in range(0, len(seeds), size)]


def inpainted(
    editor: Editor, picture: Picture, unknown: Tensor, seeds: Sequence[int], jump_length: int | None, resamplings: int
) -> Tensor:
    """What may stand in the pixels that are not known, for each seed, uint8 (N, C, H, W); known pixels are untouched.

    unknown: (1, H, W), 1 where the picture is painted anew.
    """
    sampler = build.sampler(editor.section)
    if sampler.memory:
        raise AlphabarError(
            f"Inpainting goes back up the chain, and '{editor.section.sampler}' builds on its earlier steps; choose "
            "ddpm, ddim, euler or heun."
        )
    known = 1 - unknown[None].to(editor.device)
    t, batches = _whole_grid(editor), _batches(editor, seeds)
    try:
        levels = inpainting_levels(len(editor.rows(t)), jump_length, resamplings)
    except ValueError as error:
        raise AlphabarError(str(error)) from None
    found = []
    with progress("inpainting", sum(b < a for a, b in pairwise(levels)) * len(batches)) as advance:
        for batch in batches:
            x0 = editor.signed(picture).expand(len(batch), -1, -1, -1)
            steps = inpaint(
                sampler, editor.chain(t, len(batch)), x0, known.to(x0),
                jump_length=jump_length, resamplings=resamplings, noise=SeededNoise(batch),
            )  # fmt: skip
            found.append(_last(steps, advance))
    return torch.cat(found)


def _whole_grid(editor: Editor, quiet: bool = False) -> int:
    """The last timestep of the section's grid; of those up to σ = 80, if `quiet`.

    Beyond it an image is hardly there, and nothing brings it back: dividing by √ᾱ blows up what a network gets wrong.
    """
    schedule = editor.model.denoiser.schedule
    rows = build.rows(schedule, editor.section)
    loud = -schedule.half_log_snr > math.log(NOISIEST)
    return next((row for row in reversed(rows) if not (quiet and bool(loud[row]))), rows[0])


@dataclass(frozen=True)
class Encoded:
    """x_T of images, float32 (N, C, H, W), and what decoding makes of it, uint8; its relative error ‖x' − x‖/‖x‖."""

    latents: Tensor
    decoded: Tensor
    errors: Tensor


def encoded(editor: Editor, pictures: Sequence[Picture], iterations: int) -> Encoded:
    """The latents of DDIM's deterministic map on the section's grid, and the test of the way back."""
    x0, t = editor.signed(*pictures), _whole_grid(editor, quiet=True)
    latents, chain = _encoded(editor, x0, t, iterations)
    back = _decoded(chain, latents)
    errors = (back - x0).flatten(1).norm(dim=1) / x0.flatten(1).norm(dim=1)
    _check_way_back(float(errors.max()), t)
    return Encoded(latents.cpu(), images.to_uint8(back).cpu(), errors.cpu())


def _check_way_back(error: float, t: int) -> None:
    """AlphabarError unless an encoded image comes back as something like itself."""
    if not error < 1:
        raise AlphabarError(
            f"What was encoded to t = {t} does not come back (relative error {error:.3g}): too little of the image is "
            "left there for this network, or the steps are too few; take a smaller t, or more --steps."
        )


def decoded(editor: Editor, latents: Tensor) -> Tensor:
    """uint8 (N, C, H, W) of latents on the section's grid."""
    chain = replace(editor.chain(_whole_grid(editor, quiet=True), len(latents)), x0_transform=None)
    return images.to_uint8(_decoded(chain, latents.to(editor.device))).cpu()


def _encoded(editor: Editor, x0: Tensor, t: int, iterations: int = 3) -> tuple[Tensor, Denoiser]:
    chain = replace(editor.chain(t, len(x0)), x0_transform=None)
    with progress("encoding", chain.schedule.T) as advance:
        return _end(encode(chain, x0, iterations=iterations), advance), chain


def _decoded(chain: Denoiser, latents: Tensor) -> Tensor:
    with progress("decoding", chain.schedule.T) as advance:
        return _end(reverse_process(DDIM(0.0), chain, latents, noise=torch.zeros_like), advance)


def _last(steps: Iterator[Step], advance: Callable[[float], None]) -> Tensor:
    """The images that a chain ends with, uint8."""
    return images.to_uint8(_end(steps, advance)).cpu()


def _end(steps: Iterator[Step], advance: Callable[[float], None]) -> Tensor:
    """x of the last of the steps, of which there is at least one."""
    x = None
    for step in steps:
        x = step.x
        advance(1)
    assert x is not None
    return x
