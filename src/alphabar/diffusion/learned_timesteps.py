"""A learned density of t, whose gradient makes the variance of the loss's estimate small (Kingma et al. 2021, App. I).

VDM learns a monotone function from a uniform u to the log-SNR. On a chain whose levels are given, that is a function
from u to t: how often each level is visited. The bound stays what it is, and the estimate scatters less.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from alphabar.diffusion.errors import DiffusionError

UNITS = 32
LEARNING_RATE = 0.02
UNIFORM = 0.1
"""The share of the uniform density in p, so that no weight 1 / (T p) is above 10."""
MEMORY = 0.99
"""The share of the past in the running mean of the squared, weighted losses."""
MOST = 100.0
"""The largest of them that counts, in running means: one outlier does not turn the density."""


@dataclass(eq=False)
class LearnedTimesteps:
    """t ~ p(t) = G(t/T) − G((t−1)/T) with a monotone network G, one t in each B-th part of the probability.

    G(s) ∝ s + Σ_k h_k sigmoid(w_k (s − c_k)) with heights h_k and slopes w_k > 0. Each `update` is one step of Adam on
    E[(loss / (T p(t)))²], the second moment of the weighted loss, whose mean does not depend on p. Its gradient is
    −E[(loss / (T p))² ∇ log p].

    values: (3, UNITS) float64, the logarithms of heights and slopes, and the centres.
    moments: (2, 3, UNITS) float64, Adam's. scale: () the running mean of the squared, weighted losses. updates: ().
    """

    T: int
    values: Tensor = field(init=False, repr=False)
    moments: Tensor = field(init=False, repr=False)
    scale: Tensor = field(init=False, repr=False)
    updates: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        centres = (torch.arange(UNITS, dtype=torch.float64) + 0.5) / UNITS
        heights = torch.full_like(centres, 1 / UNITS).log()
        slopes = torch.full_like(centres, 2 * UNITS).log()
        self.values = torch.stack([heights, slopes, centres])
        self.moments = torch.zeros(2, *self.values.shape, dtype=torch.float64)
        self.scale = torch.zeros((), dtype=torch.float64)
        self.updates = torch.zeros((), dtype=torch.int64)

    def p(self, values: Tensor | None = None) -> Tensor:
        """(T,) float64: p(t) in column t − 1."""
        heights, slopes, centres = self.values if values is None else values
        s = torch.linspace(0, 1, self.T + 1, dtype=torch.float64, device=heights.device)[:, None]
        G = s[:, 0] + torch.sigmoid(slopes.exp() * (s - centres)) @ heights.exp()
        p: Tensor = (1 - UNIFORM) * G.diff() / (G[-1] - G[0]) + UNIFORM / self.T
        return p

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """t ~ p(t) from one u for the whole batch, weight 1 / (T · p(t))."""
        self._to(device)
        p = self.p()
        edges = p.cumsum(0)
        u = torch.rand((), device=device, dtype=torch.float64)
        place = (u + torch.arange(batch, device=device, dtype=torch.float64) / batch) % 1
        column = torch.searchsorted(edges, place * edges[-1], right=True).clamp(max=self.T - 1)
        return column + 1, (1 / (self.T * p[column])).float()

    def update(self, t: Tensor, loss: Tensor) -> None:
        """One step of Adam; losses that are not finite are left out."""
        t, loss = t.to(self.values.device), loss.detach().to(self.values.device).double()
        good = loss.isfinite()
        values = self.values.clone().requires_grad_()
        with torch.enable_grad():
            p = self.p(values)[t - 1]
            squares = torch.where(good, loss / (self.T * p.detach()), 0).square()
            mean = squares.sum() / good.sum()
            scale = torch.where(self.updates == 0, mean, MEMORY * self.scale + (1 - MEMORY) * mean)
            shares = (squares / scale.clamp(min=torch.finfo(torch.float64).tiny)).clamp(max=MOST)
            (gradient,) = torch.autograd.grad(-(shares * p.log()).mean(), values)
        new = {"scale": scale, "updates": self.updates + 1, **self._stepped(gradient)}
        for name, value in new.items():  # without a choice of the host, which then would wait for the device
            setattr(self, name, torch.where(good.any(), value, getattr(self, name)))

    def _stepped(
        self, gradient: Tensor, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> dict[str, Tensor]:
        """Values and moments after a step of Adam (Kingma & Ba 2015, Alg. 1)."""
        first = betas[0] * self.moments[0] + (1 - betas[0]) * gradient
        second = betas[1] * self.moments[1] + (1 - betas[1]) * gradient.square()
        mean, square = (
            moment / (1 - beta ** (self.updates + 1)) for moment, beta in zip((first, second), betas, strict=True)
        )
        return {
            "moments": torch.stack([first, second]),
            "values": self.values - LEARNING_RATE * mean / (square.sqrt() + eps),
        }

    def _to(self, device: torch.device) -> None:
        for name in ("values", "moments", "scale", "updates"):
            setattr(self, name, getattr(self, name).to(device))

    def state_dict(self) -> dict[str, Tensor]:
        """The network, and what Adam and the running mean remember."""
        return {name: getattr(self, name) for name in ("values", "moments", "scale", "updates")}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from `state_dict`."""
        if any(state[name].shape != own.shape for name, own in self.state_dict().items()):
            raise DiffusionError("The learned density of t in the checkpoint is of another size than this version's.")
        for name, own in self.state_dict().items():
            setattr(self, name, state[name].to(own.device).clone())
