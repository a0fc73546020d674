"""Editing of given images. Each edit yields the states of a chain, step by step."""

from alphabar.diffusion.editing.inpainting import inpaint, inpainting_levels
from alphabar.diffusion.editing.interpolation import interpolate, interpolate_latents
from alphabar.diffusion.editing.inversion import encode
from alphabar.diffusion.editing.mixes import MIXES, Mix
from alphabar.diffusion.editing.variations import share, vary

__all__ = [
    "MIXES",
    "Mix",
    "encode",
    "inpaint",
    "inpainting_levels",
    "interpolate",
    "interpolate_latents",
    "share",
    "vary",
]
