"""The mathematics of diffusion models: pure functions over float64 tables, indexed t = 1..T as in the papers.

The vocabulary that most code needs is here; what is more special is imported from its own module.
"""

from alphabar.diffusion.decoder import DECODERS
from alphabar.diffusion.denoiser import Denoiser, Network, Prediction, p_transition
from alphabar.diffusion.guidance import guided
from alphabar.diffusion.likelihood import VariationalBound, variational_bound, vlb_terms
from alphabar.diffusion.objective import OBJECTIVES, WEIGHTINGS, Objective, training_loss
from alphabar.diffusion.parameterization import EPS, MU, PARAMETERIZATIONS, X0, Parameterization, V
from alphabar.diffusion.process import Gaussian, q_marginal, q_posterior, q_sample, q_step
from alphabar.diffusion.samplers import DDIM, SAMPLERS, Ancestral, Sampler, SeededNoise, Step, reverse_process
from alphabar.diffusion.schedule import NoiseSchedule, from_betas
from alphabar.diffusion.schedules import SCHEDULES, cosine, linear, log_snr
from alphabar.diffusion.spacing import SPACINGS, rows_of, spaced
from alphabar.diffusion.thresholding import X0_TRANSFORMS, clip
from alphabar.diffusion.timesteps import TIMESTEP_SAMPLERS, TimestepSampler
from alphabar.diffusion.variance import FIXED_LARGE, FIXED_SMALL, LEARNED, LEARNED_RANGE, VARIANCES, ReverseVariance

__all__ = [
    "DDIM",
    "DECODERS",
    "EPS",
    "FIXED_LARGE",
    "FIXED_SMALL",
    "LEARNED",
    "LEARNED_RANGE",
    "MU",
    "OBJECTIVES",
    "PARAMETERIZATIONS",
    "SAMPLERS",
    "SCHEDULES",
    "SPACINGS",
    "TIMESTEP_SAMPLERS",
    "VARIANCES",
    "WEIGHTINGS",
    "X0",
    "X0_TRANSFORMS",
    "Ancestral",
    "Denoiser",
    "Gaussian",
    "Network",
    "NoiseSchedule",
    "Objective",
    "Parameterization",
    "Prediction",
    "ReverseVariance",
    "Sampler",
    "SeededNoise",
    "Step",
    "TimestepSampler",
    "V",
    "VariationalBound",
    "clip",
    "cosine",
    "from_betas",
    "guided",
    "linear",
    "log_snr",
    "p_transition",
    "q_marginal",
    "q_posterior",
    "q_sample",
    "q_step",
    "reverse_process",
    "rows_of",
    "spaced",
    "training_loss",
    "variational_bound",
    "vlb_terms",
]  # fmt: skip
