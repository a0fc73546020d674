"""What `compress` and `decompress` say of a lossy file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alphabar.coding.header import Lossy


def lost(loss: "Lossy", fill: str = "mean") -> str:
    """What is kept, and the error of the images."""
    known = f"PSNR {loss.psnr:.2f} dB, RMSE {loss.rmse:.2f} grey levels"
    if fill != "mean":
        known = f"the model's samples fill in the rest; the file's means would have {known}"
    return f"x_{loss.level} of the chain is kept, with noise of {loss.noise:.2f} grey levels; {known}"
