"""Figures of diffusion in one dimension: the forward process, one reverse step, and the bound."""

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from toys import Mixture, two_peaks

from alphabar.diffusion import (
    FIXED_LARGE,
    FIXED_SMALL,
    Gaussian,
    NoiseSchedule,
    ReverseVariance,
    cosine,
    linear,
    q_posterior,
    q_step,
)
from alphabar.diffusion.likelihood import bound_of, prior_term, vlb_terms
from alphabar.plots.style import COLOURS, canvas, legend, tidy

DATA = two_peaks()
BETA = ReverseVariance("beta", False, lambda schedule, x_t, t, raw: schedule.beta[t].log())
"""β_t at t = 1 too: x_0 is continuous here, and FIXED_LARGE suits the decoder of 8-bit images."""


def line(low: float, high: float, points: int = 1201) -> Tensor:
    return torch.linspace(low, high, points, dtype=torch.float64)[:, None]


def forward() -> Figure:
    """The density of x_t over t, ten paths through it, and slices."""
    schedule, x = cosine(1000), line(-2.6, 2.6, 401)
    density = torch.stack([DATA.log_density(x, a).exp() for a in schedule.alpha_bar.tolist()], 1)
    figure = canvas(9, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    levels = np.linspace(0, 1, 9)
    left.contourf(np.arange(1001), x[:, 0], (density / density.amax(0)).sqrt(), levels, cmap="Blues", vmax=1.3)
    paths, generator = [DATA.sample(10, 3)], torch.Generator().manual_seed(4)
    for t in range(1, 1001):
        noise = torch.randn(10, 1, generator=generator, dtype=torch.float64)
        paths.append(q_step(schedule, paths[-1], t).sample(noise))
    left.plot(torch.cat(paths, 1).T, color="black", linewidth=0.4, alpha=0.7)
    left.set(xlabel="t", ylabel=r"$x_t$", ylim=(-2.6, 2.6), title=r"$q(x_t)$, each t scaled to its peak; ten paths")
    for k, t in enumerate((0, 200, 500, 800, 1000)):
        right.plot(x, DATA.log_density(x, float(schedule.alpha_bar[t])).exp(), label=f"t = {t}", color=COLOURS[k])
    right.set(xlabel=r"$x_t$", title="slices", xlim=(-2.6, 2.6), ylim=(0, None))
    right.legend(frameon=False, fontsize=8)
    tidy(right)
    return figure


def _reverse_step(axes: Axes, schedule: NoiseSchedule, t: int, x_t: float) -> None:
    x, at = line(-2.0, 2.0, 2001), torch.tensor([[x_t]], dtype=torch.float64)
    now, before = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t - 1])
    step = q_step(schedule, x, t)
    log_exact = DATA.log_density(x, before) + log_density(step, at)[:, 0] - DATA.log_density(at, now)
    x0_hat = (at + (1 - now) * DATA.score(at, now)) / math.sqrt(now)
    for k, x0 in enumerate(DATA.means):
        known = q_posterior(schedule, x0.expand_as(x), at.expand_as(x), t)
        label = r"$q(x_{t-1}|x_t,x_0)$, $x_0$ known" if k == 0 else None
        axes.plot(x, scaled(log_density(known, x)[:, 0]), color=COLOURS[5], linewidth=1, label=label)
    axes.plot(x, scaled(log_exact), color=COLOURS[0], label=r"$q(x_{t-1}|x_t)$, exact")
    model = Gaussian(q_posterior(schedule, x0_hat, at, t).mean, FIXED_LARGE.log_var(schedule, at, t, None))
    axes.plot(x, scaled(log_density(model, x)[:, 0]), "--", color=COLOURS[1], label=r"$p_\theta(x_{t-1}|x_t)$")
    axes.axvline(x_t, color="grey", linewidth=0.8, linestyle=":", label=r"$x_t$")
    axes.set(xlabel=r"$x_{t-1}$", ylim=(0, 1.1), yticks=[])
    axes.set_title(f"{schedule.T} steps, from ᾱ = {now:.3f} to {before:.3f}", fontsize=10)
    tidy(axes)


def log_density(p: Gaussian, x: Tensor) -> Tensor:
    return -0.5 * ((x - p.mean) ** 2 * (-p.log_var).exp() + p.log_var + math.log(2 * math.pi))


def scaled(log_p: Tensor) -> Tensor:
    return (log_p - log_p.max()).exp()


def reverse_step() -> Figure:
    """One reverse step of a long and of a short chain, from the same noise level."""
    figure = canvas(9, 3.2)
    left, right = figure.subplots(1, 2)
    long, short = cosine(1000), cosine(1000).respace([100, 650])
    _reverse_step(left, long, 650, 0.0)
    _reverse_step(right, short, 2, 0.0)
    legend(figure, left, 4)
    return figure


def nodes(data: Mixture, count: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    """x_0 and ε (N, 1), and weights (N,), of a Gauss–Hermite rule: averages over q(x_0) and ε without sampling."""
    z, weight = (torch.from_numpy(column) for column in np.polynomial.hermite_e.hermegauss(count))
    weight = weight / weight.sum()
    x0 = (data.means + data.std * z).reshape(-1)
    of_x0 = (data.weights[:, None] * weight).reshape(-1)
    return x0.repeat_interleave(count)[:, None], z.repeat(len(x0))[:, None], torch.kron(of_x0, weight)


def _bound(data: Mixture, schedule: NoiseSchedule, variance: ReverseVariance) -> tuple[float, Tensor]:
    """Bits: the bound minus −log q(x_0), and each term (T,); averages over the data."""
    x0, eps, weight = nodes(data)
    terms = vlb_terms(data.denoiser(schedule, variance), x0, noise=lambda t: eps, decoder=log_density)
    bound = bound_of(prior_term(schedule, x0), terms)
    gap = bound.total + data.log_density(x0, 1.0) / math.log(2)
    return float(weight @ gap), weight @ bound.terms


def bound() -> Figure:
    """The terms of the bound over t, and how the bound nears the entropy with more steps."""
    figure = canvas(9, 3.6)
    left, right = figure.subplots(1, 2)
    for k, (name, make) in enumerate((("linear", linear), ("cosine", cosine))):
        for variance in (BETA, FIXED_SMALL):
            _, terms = _bound(DATA, make(1000), variance)
            style = {"color": COLOURS[k], "linestyle": "-" if variance is BETA else ":"}
            label = f"{name}, " + (r"$\sigma^2=\beta$" if variance is BETA else r"$\sigma^2=\tilde\beta$")
            left.plot(np.arange(2, 1001), terms[1:], label=label, linewidth=1, **style)
    left.set(xscale="log", yscale="log", xlabel="t", ylabel=r"$L_{t-1}$, bits", ylim=(1e-6, 1))
    steps = (25, 50, 100, 200, 400, 800)
    for k, (name, make) in enumerate((("linear", linear), ("cosine", cosine))):
        gaps = [_bound(DATA, make(T), BETA)[0] for T in steps]
        right.plot(steps, gaps, marker="o", markersize=3, color=COLOURS[k])
        print(name, [f"{gap:.4f}" for gap in gaps], "bits")
    right.set(xscale="log", yscale="log", xlabel="T", ylabel=r"bound − entropy, bits, $\sigma^2=\beta$")
    right.set_xticks(steps, map(str, steps))
    right.set_yticks((0.02, 0.05, 0.1, 0.2, 0.5), ("0.02", "0.05", "0.1", "0.2", "0.5"))
    right.minorticks_off()
    for axes in (left, right):
        tidy(axes)
    legend(figure, left, 4)
    return figure
