"""Networks: what stands between x_t and the prediction."""

from alphabar.networks.style import DDPM, IDDPM, PRESETS, Style
from alphabar.networks.unet import UNet

NETWORKS = {"unet": UNet}

__all__ = ["DDPM", "IDDPM", "NETWORKS", "PRESETS", "Style", "UNet"]
