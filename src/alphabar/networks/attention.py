"""Self-attention over the pixels of an image."""

import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.networks.checks import check_heads
from alphabar.networks.normalization import group_norm
from alphabar.networks.style import Style


class Attention(nn.Module):
    """x + out(softmax(q kᵀ / √d) v), where q, k and v are the thirds of qkv(norm(x)): (B, C, H, W) -> (B, C, H, W).

    The rows of `qkv.weight` (3C, C) are those of q, then k, then v; within each, the heads of d channels in order.
    """

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        check_heads(channels, style.heads, style.head_channels)
        self.head_channels = style.head_channels or channels // style.heads
        self.norm = group_norm(channels, style)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Every pixel attends to every pixel of its image."""
        pixels = self.norm(x).flatten(2).transpose(1, 2)  # in channels_last memory, all reshapes here are views
        h: Tensor = self.out(attended(self.qkv(pixels), self.head_channels))
        return x + h.transpose(1, 2).reshape(x.shape)


def attended(qkv: Tensor, head_channels: int) -> Tensor:
    """softmax(q kᵀ / √d) v in heads of d channels: (B, N, 3 · heads · d), first q, then k, v -> (B, N, heads · d)."""
    batch, length, _ = qkv.shape
    q, k, v = qkv.reshape(batch, length, 3, -1, head_channels).permute(2, 0, 3, 1, 4)  # (B, heads, N, d) each
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, length, -1)
