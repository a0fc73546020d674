"""A network that says once if it is called without a class although it has classes."""

import logging
from collections.abc import Sequence

from torch import Tensor, nn

from alphabar.data.classes import listed

_LOG = logging.getLogger(__name__)


class Reminder(nn.Module):
    """`network`, which is conditioned on `classes`; the first call without a class is reported in the log."""

    def __init__(self, network: nn.Module, classes: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self.is_said = False

    def forward(self, x: Tensor, time: Tensor, y: Tensor | None = None, **given: Tensor) -> Tensor:
        """The output of the network."""
        out: Tensor = self.network(x, time, y, **given)
        if y is None and not self.is_said:
            self.is_said = True
            _LOG.warning(
                "Images without a class are sampled, because the denoiser was given none; denoiser.given(labels) "
                "samples classes: %s.", listed(self.classes),
            )  # fmt: skip
        return out
