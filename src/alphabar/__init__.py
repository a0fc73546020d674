"""alphabar (ᾱ): denoising diffusion probabilistic models in pixel space.

    import alphabar

    model = alphabar.load("fashion-mnist")
    images = model.sample(16, label="Bag", guidance=2.0)
    images.save("bags")

Importing alphabar does not import torch; the first use of a function does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alphabar.errors import AlphabarError

if TYPE_CHECKING:
    from alphabar.api.compress import Compressed, compress, decompress
    from alphabar.api.doctor import doctor
    from alphabar.api.edit import inpaint, interpolate, vary
    from alphabar.api.evaluate import bits_per_dim, evaluate
    from alphabar.api.foreign import import_run
    from alphabar.api.hub import pull, push
    from alphabar.api.latents import Latents, decode, encode
    from alphabar.api.live import live
    from alphabar.api.look import fetch, inspect, pack, recipes, settings
    from alphabar.api.model import Model, load
    from alphabar.api.options import Options
    from alphabar.api.sample import sample
    from alphabar.api.share import export, film
    from alphabar.api.train import TrainedRun, train
    from alphabar.api.upscale import upscale
    from alphabar.sampling.samples import Images

__version__ = "0.1.0"

_MODULES = {
    "api.compress": ("Compressed", "compress", "decompress"),
    "api.doctor": ("doctor",),
    "api.edit": ("inpaint", "interpolate", "vary"),
    "api.evaluate": ("bits_per_dim", "evaluate"),
    "api.foreign": ("import_run",),
    "api.hub": ("pull", "push"),
    "api.latents": ("Latents", "decode", "encode"),
    "api.live": ("live",),
    "api.look": ("fetch", "inspect", "pack", "recipes", "settings"),
    "api.model": ("Model", "load"),
    "api.options": ("Options",),
    "api.sample": ("sample",),
    "api.share": ("export", "film"),
    "api.train": ("TrainedRun", "train"),
    "api.upscale": ("upscale",),
    "sampling.samples": ("Images",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AlphabarError", "Compressed", "Images", "Latents", "Model", "Options", "TrainedRun", "__version__",
    "bits_per_dim", "compress", "decode", "decompress", "doctor", "encode", "evaluate", "export", "fetch", "film",
    "import_run", "inpaint", "inspect", "interpolate", "live", "load", "pack", "pull", "push", "recipes", "sample",
    "settings", "train", "upscale", "vary",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alphabar' has no attribute '{name}'")
    return getattr(import_module(f"alphabar.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
