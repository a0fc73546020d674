"""The checkpoints that OpenAI released, and what their files do not say: the flags in the two READMEs."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Released:
    """A released checkpoint.

    rescaled: `rescale_timesteps`. loss: `rescale_learned_sigmas` True, False, or `use_kl`. new_order:
    `use_new_attention_order`. Learned variances and everything of which a shape tells are read from the file.
    """

    image_size: int
    steps: int
    schedule: str
    rescaled: bool
    loss: str
    iterations: int
    heads: int | None = None
    head_channels: int | None = None
    dropout: float = 0.0
    new_order: bool = False
    guided: bool = False
    low_resolution: int | None = None

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings that follow, by section."""
        return {
            "network": {"heads": self.heads, "head_channels": self.head_channels, "dropout": self.dropout},
            "diffusion": {
                "steps": self.steps,
                "schedule": self.schedule,
                "time_scale": 1000 / self.steps if self.rescaled else 1.0,
                **LOSSES[self.loss],
            },
        }


LOSSES: dict[str, dict[str, Any]] = {
    "rescaled": {"objective": "hybrid", "vlb_weight": 0.001},
    "plain": {"objective": "hybrid", "vlb_weight": None},
    "kl": {"objective": "vlb", "vlb_weight": None},
}
"""How the learned variance was trained: λ = 0.001, λ = 1/T (set where T is known), or the bound alone."""


def _improved(image_size: int, loss: str, iterations: int, **more: Any) -> Released:
    plain: dict[str, Any] = {"steps": 4000, "schedule": "cosine", "rescaled": True, "heads": 4}
    return Released(image_size=image_size, loss=loss, iterations=iterations, **(plain | more))


def _guided(image_size: int, **more: Any) -> Released:
    plain: dict[str, Any] = {"steps": 1000, "schedule": "linear", "rescaled": False, "loss": "plain", "iterations": 0}
    heads: dict[str, Any] = {} if "heads" in more else {"head_channels": 64}
    return Released(image_size=image_size, guided=True, **(plain | heads | more))


_LSUN_2021 = {"steps": 1000, "schedule": "linear", "rescaled": False, "heads": 1}

RELEASED = {
    # improved-diffusion, March 2021
    "imagenet64_uncond_100M_1500K": _improved(64, "rescaled", 1_500_000),
    "imagenet64_uncond_vlb_100M_1500K": _improved(64, "kl", 1_500_000),
    "imagenet64_cond_270M_250K": _improved(64, "plain", 250_000, rescaled=False),
    "cifar10_uncond_50M_500K": _improved(32, "rescaled", 500_000, dropout=0.3),
    "cifar10_uncond_vlb_50M_500K": _improved(32, "kl", 500_000, dropout=0.3),
    "upsample_cond_500K": _improved(256, "plain", 500_000, schedule="linear", rescaled=False, low_resolution=64),
    "lsun_uncond_100M_1200K_bs128": _improved(256, "plain", 1_200_000, **_LSUN_2021),
    "lsun_uncond_100M_2400K_bs64": _improved(256, "plain", 2_400_000, **_LSUN_2021),
    # guided-diffusion, July 2021
    "64x64_diffusion": _guided(64, schedule="cosine", dropout=0.1, new_order=True),
    "128x128_diffusion": _guided(128, heads=4),
    "256x256_diffusion": _guided(256),
    "256x256_diffusion_uncond": _guided(256),
    "512x512_diffusion": _guided(512),
    "64_256_upsampler": _guided(256, heads=4, low_resolution=64),
    "128_512_upsampler": _guided(512, low_resolution=128),
    "lsun_bedroom": _guided(256, dropout=0.1),
    "lsun_cat": _guided(256, dropout=0.1),
    "lsun_horse": _guided(256, dropout=0.1),
    "lsun_horse_nodropout": _guided(256),
}

SIZES: dict[tuple[int, ...], int] = {
    (1, 2, 2, 2): 32,
    (1, 2, 3, 4): 64,
    (1, 1, 2, 3, 4): 128,
    (1, 1, 2, 2, 4, 4): 256,
    (1, 2, 2, 4, 4, 8, 8): 512,
}
"""`channel_mult` of an image size, where it is not set; that of 512 is (0.5, 1, 1, 2, 2, 4, 4), in halves."""
