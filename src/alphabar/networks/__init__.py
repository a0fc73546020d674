"""Networks that map x_t and the time step to a prediction. NETWORKS lists them by name."""

from alphabar.networks.noisenet import NoiseNet
from alphabar.networks.sizes import multiply_adds, without_values
from alphabar.networks.style import ADM, DDPM, IDDPM, NOISENET, PRESETS, Style
from alphabar.networks.unet import UNet

NETWORKS = {"unet": UNet, "noisenet": NoiseNet}

__all__ = [
    "ADM",
    "DDPM",
    "IDDPM",
    "NETWORKS",
    "NOISENET",
    "PRESETS",
    "NoiseNet",
    "Style",
    "UNet",
    "multiply_adds",
    "without_values",
]
