"""SIDES: who races."""

from dataclasses import dataclass
from typing import Protocol

from benchmarks.race import peer_training
from benchmarks.race.ours import Ours
from benchmarks.race.peer import Peer, parameters
from benchmarks.race.task import Task, Terms
from benchmarks.race.trained import Trained
from safetensors.torch import load_file

from alphabar import build
from alphabar import config as c
from alphabar.errors import AlphabarError


class Side(Protocol):
    """Trains for a task's budget; hands over what it trained."""

    def train(self, task: Task, terms: Terms) -> bool:
        """Whether the budget is spent (False: interrupted and saved)."""
        ...

    def trained(self, task: Task) -> Trained:
        """What is drawn from."""
        ...


@dataclass(frozen=True)
class OfDiffusers:
    """diffusers, told the classes or not; by its script's defaults, or at the recipe's learning rate and batch size."""

    conditional: bool = False
    tuned: bool = False

    def train(self, task: Task, terms: Terms) -> bool:
        from benchmarks.race.diffusers_side import Diffusers, options

        def make(config: c.Config, facts: c.ImageFacts) -> Peer:
            if self.conditional and not facts.class_names:
                raise AlphabarError(f"{task.data} has no classes to tell; leave the side {task.side} out.")
            of = options(config, facts, self.conditional)
            if not self.tuned:
                return Diffusers(of)
            peer = Diffusers(of, config.optimizer.learning_rate, config.optimizer.warmup_steps)
            peer.batch_size = config.training.batch_size
            return peer

        return peer_training.train(task, terms, make, self.conditional)

    def trained(self, task: Task) -> Trained:
        from benchmarks.race.diffusers_side import trained

        return trained(task.result()["options"], load_file(task.weights))


@dataclass(frozen=True)
class OfLucidrains:
    """denoising-diffusion-pytorch."""

    def train(self, task: Task, terms: Terms) -> bool:
        from benchmarks.race.lucidrains_side import Lucidrains, options

        def make(config: c.Config, facts: c.ImageFacts) -> Peer:
            wanted = parameters(build.network(config, facts))
            return Lucidrains(options(config, facts, terms.lucidrains_dim, wanted), facts.shape[1:])

        return peer_training.train(task, terms, make, conditional=False)

    def trained(self, task: Task) -> Trained:
        from benchmarks.race.lucidrains_side import trained

        size = build.image_set(task.recipe()).shape[1:]
        return trained(task.result()["options"], load_file(task.weights), size)


SIDES: dict[str, Side] = {
    "alphabar": Ours(),
    "diffusers": OfDiffusers(),
    "alphabar-unconditional": Ours(("network.class_conditional=false", "network.label_dropout=0")),
    "diffusers-tuned": OfDiffusers(tuned=True),
    "diffusers-conditional": OfDiffusers(conditional=True),
    "lucidrains": OfLucidrains(),
}
