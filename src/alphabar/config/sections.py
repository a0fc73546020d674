"""Config: the sections of a run, and what they must agree on; ImageFacts."""

from pydantic import model_validator

from alphabar.config.model_sections import Data, Diffusion, Network
from alphabar.config.run_sections import Evaluation, Optimizer, Parallel, Sampling, Training
from alphabar.config.section import Section
from alphabar.config.values import (
    Positive,
)


class Config(Section):
    """Every setting of a run."""

    data: Data = Data()
    network: Network = Network()
    diffusion: Diffusion = Diffusion()
    optimizer: Optimizer = Optimizer()
    training: Training
    parallel: Parallel = Parallel()
    sampling: Sampling = Sampling()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _agree(self) -> "Config":
        if self.network.label_dropout and not self.network.class_conditional:
            raise ValueError(
                "network.label_dropout drops classes, and this network has none: set network.class_conditional=true"
            )
        if self.evaluation.best != "none" and not self.evaluation.every:
            raise ValueError("evaluation.best needs evaluations to choose by: set evaluation.every, in steps")
        if self.evaluation.stop_when != "none" and not self.evaluation.every:
            raise ValueError("evaluation.stop_when needs evaluations to stop by: set evaluation.every, in steps")
        steps, T = self.sampling.steps, self.diffusion.steps
        if isinstance(steps, int) and steps > T:
            raise ValueError(
                f"The chain has {T} steps (diffusion.steps), so sampling.steps, which is {steps}, must be set to 1..{T}"
            )
        return self


class ImageFacts(Section):
    """What the network and its checkpoints need to know of the images; saved with the config in every checkpoint."""

    shape: tuple[Positive, Positive, Positive]
    """(C, H, W)."""
    class_names: tuple[str, ...]
    """The name of each label; empty for images without labels."""
    fingerprint: str
    """sha256 of the images and labels."""
