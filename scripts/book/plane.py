"""Figures of diffusion in two dimensions: the score field, the reverse process, and every sampler's paths."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from toys import spiral

from alphabar.diffusion import SAMPLERS, Ancestral, cosine, reverse_process, spaced
from alphabar.diffusion.samplers import network_calls
from alphabar.plots.style import COLOURS, canvas

DATA, CHAIN, LIMIT = spiral(), cosine(1000), 2.7


def grid(points: int) -> Tensor:
    """(points², 2), rows of x from below."""
    ticks = torch.linspace(-LIMIT, LIMIT, points, dtype=torch.float64)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def density(axes: Axes, alpha_bar: float, points: int = 160) -> None:
    p = DATA.log_density(grid(points), alpha_bar).exp().reshape(points, points)
    ticks = torch.linspace(-LIMIT, LIMIT, points)
    axes.contourf(ticks, ticks, (p / p.max()).sqrt(), torch.linspace(0, 1, 8), cmap="Blues", vmax=1.6)
    axes.set_aspect("equal")
    axes.set(xticks=[], yticks=[], xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT))


def score_field() -> Figure:
    """The density of x_t, and arrows along its score, (1 − ᾱ_t) ∇ log q = √ᾱ_t x̂_0 − x_t, a third of its length."""
    figure = canvas(10, 2.9)
    for axes, t in zip(figure.subplots(1, 4), (800, 400, 200, 80), strict=True):
        alpha_bar = float(CHAIN.alpha_bar[t])
        density(axes, alpha_bar)
        at = grid(15)
        arrow = (1 - alpha_bar) * DATA.score(at, alpha_bar)
        axes.quiver(*at.T, *arrow.T, angles="xy", scale_units="xy", scale=3, width=0.004, color=COLOURS[1])
        axes.set_title(f"t = {t}, ᾱ = {alpha_bar:.2f}", fontsize=10)
    return figure


def noise(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return lambda x: torch.randn(x.shape, generator=generator, dtype=x.dtype)


def starts(count: int, seed: int = 5) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def reverse() -> Figure:
    """600 points of the reverse process as it goes on; above x_t, below x̂_0."""
    shown = (1000, 600, 300, 100, 0)
    at: dict[int, tuple[Tensor, Tensor]] = {}
    x = starts(600)
    for step in reverse_process(Ancestral(), DATA.denoiser(CHAIN), x, noise=noise(6)):
        if step.t + 1 == 1000:
            at[1000] = x, step.x0
        if step.t in shown:
            at[step.t] = step.x, step.x0
    figure = canvas(10, 4.2)
    for column, t in zip(figure.subplots(2, 5).T, shown, strict=True):
        for axes, points, name in zip(column, at[t], (r"$x_t$", r"$\hat x_0$"), strict=True):
            axes.scatter(*points.T, s=1.5, color=COLOURS[0])
            axes.set(xticks=[], yticks=[], xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), aspect="equal")
            axes.set_ylabel(name if t == 1000 else "")
        column[0].set_title(f"t = {t}", fontsize=10)
    return figure


def chain_of(name: str, steps: int, x: Tensor) -> list[Tensor]:
    """x and the states after each of `steps` steps of a sampler on its own spacing."""
    sampler = SAMPLERS[name]
    short = DATA.denoiser(CHAIN).respaced(spaced(CHAIN, sampler.grid.spacing, steps))
    return [x, *(step.x for step in reverse_process(sampler(), short, x, noise=noise(9)))]


def away(x: Tensor) -> float:
    """The mean distance of points from the nearest centre of the spiral."""
    return float(torch.cdist(x, DATA.means).amin(1).mean())


def samplers(steps: int = 10) -> Figure:
    """The paths of each sampler in `steps` steps from the same twelve points, and 400 samples.

    The titles say how far these are from the spiral; it prints the same for 20,000 points of data, and for 20 steps.
    """
    figure = canvas(11, 5)
    print(f"data: {away(DATA.sample(20000)):.3f}")
    for axes, (name, sampler) in zip(figure.subplots(2, 5).flat, SAMPLERS.items(), strict=True):
        chain = chain_of(name, steps, torch.cat([starts(12, 7), starts(400, 8)]))
        density(axes, float(CHAIN.alpha_bar[80]), 100)
        axes.scatter(*chain[-1][12:].T, s=1.2, color=COLOURS[1])
        for path in torch.stack(chain, 1)[:12]:
            axes.plot(*path.T, color="black", linewidth=0.6, marker=".", markersize=2)
        distance = away(chain[-1][12:])
        axes.set_title(f"{name}: {network_calls(sampler(), steps)} calls, {distance:.2f} off", fontsize=8)
        print(f"{name}: {distance:.3f}, with 20 steps {away(chain_of(name, 20, starts(400, 8))[-1]):.3f}")
    return figure
