"""alphabar (ᾱ): denoising diffusion probabilistic models in pixel space. Importing this does not import torch."""

__version__ = "0.1.0"
