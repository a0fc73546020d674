"""Everything that is random in a training step: drawn for the whole batch, wherever its images are computed.

So it depends on the seed, the step and the position in the batch, and not on the number of processes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar import data, seeds
from alphabar.diffusion import TimestepSampler


@dataclass(frozen=True)
class Draws:
    """What is random for each of the B images of a batch."""

    t: Tensor
    """(B,) int64, in 1..T, on the device of the schedule."""
    weight: Tensor
    """(B,) float32, the weight of the loss at t."""
    eps: Tensor
    """(B, C, H, W) float32, the noise."""
    loses_label: Tensor | None
    """(B,) bool, whose label is dropped; None without label dropout."""
    transformation: data.Transformation | None
    """How each image is augmented; None without augmentation."""
    dropout_keys: Tensor
    """(layers, B) int32, what the masks of dropout depend on."""

    def of(self, rows: slice) -> "Draws":
        """The draws of these images of the batch."""
        return Draws(
            self.t[rows],
            self.weight[rows],
            self.eps[rows],
            None if self.loses_label is None else self.loses_label[rows],
            None if self.transformation is None else self.transformation.of(rows),
            self.dropout_keys[:, rows],
        )


@dataclass(frozen=True)
class Randomness:
    """What is drawn in every step of a run."""

    seed: int
    shape: tuple[int, int, int]
    """(C, H, W) of an image."""
    label_dropout: float
    augment: float
    """The probability of each transformation of an image."""
    dropout_layers: int

    def draws(
        self, step: int, count: int, sampler: TimestepSampler, device: torch.device, tables: torch.device
    ) -> Draws:
        """The draws of a batch of `count` images, by the default generator; the schedule is on the device `tables`."""
        torch.manual_seed(seeds.derived(self.seed, step))  # stateless: a resumed run repeats exactly
        t, weight = sampler.sample(count, tables)
        eps = torch.empty(count, *self.shape, device=device).to(memory_format=torch.channels_last).normal_()
        return Draws(
            t=t,
            weight=weight.to(device),
            eps=eps,
            loses_label=torch.rand(count, device=device) < self.label_dropout if self.label_dropout else None,
            transformation=data.sampled(count, self.augment, device) if self.augment else None,
            dropout_keys=torch.randint(-(2**31), 2**31, (self.dropout_layers, count), dtype=torch.int32, device=device),
        )
