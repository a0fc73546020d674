"""Configs of diffusers' UNet2DModel, as those of published models but narrow."""

from typing import Any

import torch
from torch import Tensor, nn

HO: dict[str, Any] = {
    "sample_size": 32,
    "block_out_channels": [32, 64, 64, 64],
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": None,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "norm_eps": 1e-6,
    "norm_num_groups": 16,
}
"""google/ddpm-cifar10-32."""

SIX = {
    "down_block_types": [*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4],
    "block_out_channels": [16, 16, 32, 32, 64, 64],
    "sample_size": 64,
    "norm_num_groups": 8,
}
SCALED = {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 16}
ADM = {
    "down_block_types": ["ResnetDownsampleBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"],
    "up_block_types": ["ResnetUpsampleBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"],
    "block_out_channels": [32, 64, 64],
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "sample_size": 16,
    "norm_num_groups": 16,
}

CASES: dict[str, dict[str, Any]] = {
    "cifar10-32": HO,
    "celebahq-256": HO | SIX,
    "script": SIX | {"attention_head_dim": 8},
    "grey": HO | SCALED | {"in_channels": 1, "out_channels": 2, "sample_size": [16, 24]},
    "classes": HO | {"num_class_embeds": 5, "layers_per_block": 1},
    "32 groups": HO | {"block_out_channels": [64, 128], "norm_num_groups": 32}
    | {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]},
    "adm": ADM | SCALED | {"attention_head_dim": 16},
}  # fmt: skip
SCHEDULERS: dict[str, dict[str, Any]] = {
    "ddpm": {"variance_type": "fixed_large"},
    "ddim": {"timestep_spacing": "trailing"},
    "own betas": {"beta_start": 0.001, "beta_end": 0.03, "num_train_timesteps": 200},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "v": {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "clip_sample": False},
}


def randomized(network: Any, seed: int = 0) -> Any:
    """Every parameter random, in its layer's usual size, so that no layer hides behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.data = noise / parameter[0].numel() ** 0.5
            else:
                parameter.data = 0.2 * noise + float(isinstance(module, nn.GroupNorm) and name == "weight")
    return network.eval()


def images(config: dict[str, Any], batch: int = 2, seed: int = 1) -> Tensor:
    size = config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    channels = config.get("in_channels", 3)
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(seed))
