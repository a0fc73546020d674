"""improved-diffusion's numbers again, from the formulas of facts/ddpm_iddpm.md §1.2–1.8 alone: 80-bit floats, arrays
counted from 0, the textbook KL. Nothing of the package's maths is used."""

from dataclasses import dataclass

import numpy as np

WIDE = np.longdouble
PI = WIDE("3.14159265358979323846264338327950288")


def linear_betas(T: int) -> np.ndarray:
    scale = WIDE(1000) / T
    return np.linspace(scale * WIDE("1e-4"), scale * WIDE("0.02"), T, dtype=WIDE)


def cosine_betas(T: int) -> np.ndarray:
    u = np.arange(T + 1, dtype=WIDE) / T
    f = np.cos((u + WIDE("0.008")) / WIDE("1.008") * PI / 2) ** 2
    return np.minimum(1 - f[1:] / f[:-1], WIDE("0.999"))


def respaced_betas(betas: np.ndarray, kept: list[int]) -> np.ndarray:
    alpha_bar = np.cumprod(1 - betas)[kept]
    return 1 - alpha_bar / np.concatenate([[WIDE(1)], alpha_bar[:-1]])


def tanh_cdf(z: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(np.sqrt(2 / PI) * (z + WIDE("0.044715") * z**3))) / 2


@dataclass
class Chain:
    betas: np.ndarray
    variance: str

    def __post_init__(self) -> None:
        beta = self.betas
        self.alpha_bar = np.cumprod(1 - beta)
        prev = np.concatenate([[WIDE(1)], self.alpha_bar[:-1]])
        tilde = beta * (1 - prev) / (1 - self.alpha_bar)
        self.log_small = np.log(np.concatenate([tilde[1:2], tilde[1:]]))
        self.log_large = np.log(np.concatenate([tilde[1:2], beta[1:]]))
        self.c1 = beta * np.sqrt(prev) / (1 - self.alpha_bar)
        self.c2 = (1 - prev) * np.sqrt(1 - beta) / (1 - self.alpha_bar)

    def q_sample(self, x0: np.ndarray, i: int, eps: np.ndarray) -> np.ndarray:
        return np.sqrt(self.alpha_bar[i]) * x0 + np.sqrt(1 - self.alpha_bar[i]) * eps

    def vb(self, x0, eps, eps_hat, v, i: int, clipped: bool) -> WIDE:
        """Bits/dim of one image with the reference's decoder; v: the second half of the output, or None."""
        x_i = self.q_sample(x0, i, eps)
        x0_hat = np.sqrt(1 / self.alpha_bar[i]) * x_i - np.sqrt(1 / self.alpha_bar[i] - 1) * eps_hat
        x0_hat = x0_hat.clip(-1, 1) if clipped else x0_hat
        mean = self.c1[i] * x0_hat + self.c2[i] * x_i
        if self.variance == "learned_range":
            fraction = (v + 1) / 2
            log_var = fraction * np.log(self.betas[i]) + (1 - fraction) * self.log_small[i]
        else:
            log_var = (self.log_large if self.variance == "fixed_large" else self.log_small)[i]
        if i == 0:
            half, inv_std = WIDE(1) / 255, np.exp(-log_var / 2)
            above, below = tanh_cdf((x0 - mean + half) * inv_std), tanh_cdf((x0 - mean - half) * inv_std)
            above, below = np.where(x0 > 0.999, 1, above), np.where(x0 < -0.999, 0, below)
            nats = -np.log(np.maximum(above - below, WIDE("1e-12")))
        else:
            true_mean, true_log_var = self.c1[i] * x0 + self.c2[i] * x_i, self.log_small[i]
            gap = true_log_var - log_var
            nats = (-1 - gap + np.exp(gap) + (true_mean - mean) ** 2 * np.exp(-log_var)) / 2
        return nats.mean() / np.log(WIDE(2))

    def prior(self, x0: np.ndarray) -> WIDE:
        a = self.alpha_bar[-1]
        return ((-1 - np.log(1 - a) + (1 - a) + a * x0**2) / 2).mean() / np.log(WIDE(2))
