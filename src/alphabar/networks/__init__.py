"""Networks that map x_t and the time step to a prediction. NETWORKS lists them by name."""

from alphabar.networks.sizes import without_values
from alphabar.networks.style import ADM, DDPM, IDDPM, PRESETS, Style
from alphabar.networks.unet import UNet

NETWORKS = {"unet": UNet}

__all__ = ["ADM", "DDPM", "IDDPM", "NETWORKS", "PRESETS", "Style", "UNet", "without_values"]
