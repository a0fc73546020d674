"""The settings of a run that may be changed on purpose when it is resumed."""

from collections.abc import Iterable

from alphabar.config.mistakes import sections, short
from alphabar.errors import AlphabarError
from alphabar.registry import unknown

ALLOWABLE = frozenset({
    "data.horizontal_flip", "network.dropout", "network.gradient_checkpointing", "diffusion.x0_transform",
    "diffusion.objective", "diffusion.vlb_weight", "diffusion.weighting", "diffusion.min_snr_gamma",
    "diffusion.p2_gamma", "diffusion.p2_k", "diffusion.decoder", "optimizer.learning_rate", "optimizer.betas",
    "optimizer.eps", "optimizer.weight_decay", "optimizer.warmup_steps", "optimizer.decay", "optimizer.clip_norm",
    "training.batch_size", "training.seed", "training.precision", "training.ema_warmup",
})  # fmt: skip
"""Every tensor of a checkpoint keeps its shape and its meaning under a change of these; `--allow` names them."""


def check_allowed(keys: Iterable[str]) -> frozenset[str]:
    """The settings that `--allow` names; AlphabarError for one that does not exist, or that a checkpoint depends on."""
    if isinstance(keys, str) or not isinstance(keys, Iterable):
        raise AlphabarError(f"--allow is a list of settings, such as ['optimizer.betas']; got {short(keys)}.")
    named = list(keys)
    every = {f"{section}.{name}" for section, model in sections().items() for name in model.model_fields}
    for key in named:
        if not isinstance(key, str) or key not in every:
            raise AlphabarError(unknown("setting", str(key), ALLOWABLE))
        if key not in ALLOWABLE:
            raise AlphabarError(
                f"--allow {key} cannot be granted: the checkpoint of a run depends on it, or it may change freely "
                f"anyway; a change can be allowed of {', '.join(sorted(ALLOWABLE))}."
            )
    return frozenset(named)
