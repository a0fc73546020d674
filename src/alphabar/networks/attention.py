"""Self-attention over the pixels of an image."""

import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.errors import AlphabarError
from alphabar.networks.pixels import group_norm, per_pixel
from alphabar.networks.style import Style


class Attention(nn.Module):
    """x + out(softmax(q kᵀ / √d) v), where q, k and v are the thirds of qkv(norm(x)): (B, C, H, W) -> the same.

    Rows of `qkv.weight` (3C, C): all of q, all of k, all of v; in each of them head after head of d channels.
    """

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.head_channels = channels // style.heads if style.head_channels is None else style.head_channels
        self.norm = group_norm(channels, style)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Every pixel attends to every pixel of its image."""
        qkv = per_pixel(self.qkv, self.norm(x)).flatten(2).transpose(1, 2)  # (B, H·W, 3C)
        q, k, v = qkv.unflatten(2, (3, -1, self.head_channels)).permute(2, 0, 3, 1, 4)  # (B, heads, H·W, d) each
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        h = h.transpose(1, 2).unflatten(2, x.shape[2:])
        return x + per_pixel(self.out, h)
