"""alphabar's side: the recipe of the data set, trained as `alphabar train` trains it."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from benchmarks.race.clock import say, watched
from benchmarks.race.shared import through
from benchmarks.race.task import Task, Terms, write_json
from benchmarks.race.trained import Trained, Way
from rich.console import Console

from alphabar import build, data, training
from alphabar import config as c
from alphabar.diffusion import network_calls
from alphabar.runs import checkpoint
from alphabar.runs import run as runs
from alphabar.runs.model import Model, load_model
from alphabar.training.step import train_step, training_denoiser

AIM = 0.98  # of the budget: the rest is for checkpoints and sample grids, and for a calibration that was too good
WARM_UP = 10
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ours:
    """alphabar, with these settings beside the recipe's."""

    overrides: tuple[str, ...] = ()

    def train(self, task: Task, terms: Terms) -> bool:
        """Whether the run is over (False: interrupted and saved)."""
        plan = self._plan(task, terms)
        config = self._config(task, plan["steps"])
        label = f"{task.data} seed {task.seed} {task.side}"
        with (task.path / "log.txt").open("a") as log, watched(task.path / "clock.json", label, terms.minutes) as clock:
            finished = training.train(config, task.path / "run", CPU, Console(file=log, width=120))
            used = clock.read()
        if not finished:
            return False
        model = load_model(task.path / "run")
        shutil.copyfile(_checkpoint(task, model) / f"{model.weights}.safetensors", task.weights)
        task.finish(_result(config, model, terms) | used | {"calibration": plan})
        return True

    def trained(self, task: Task) -> Trained:
        """With the recipe's own sampler; under a shared one's name if it is that, with nothing else set."""
        model = load_model(task.path / "run")
        section = model.config.sampling
        short, sampler = build.respaced(model.denoiser, section), build.sampler(section)
        calls = network_calls(sampler, short.schedule.T)
        usual = section.model_copy(update={"num": 64, "batch_size": 64}) == c.Sampling(sampler=section.sampler)
        name = f"{section.sampler}-{calls}" if usual else "recipe"
        condition = build.condition(model.config, model.facts, section)
        return Trained(model.denoiser, (Way(f"alphabar-{name}", calls, through(short, sampler, condition)),))

    def _config(self, task: Task, steps: int) -> c.Config:
        lengths = [f"training.{name}=none" for name in ("epochs", "images", "minutes")]
        return task.recipe(*self.overrides, *lengths, f"training.steps={steps}", f"training.seed={task.seed}")

    def _plan(self, task: Task, terms: Terms) -> dict[str, Any]:
        """How many steps are expected to take AIM of the budget; reckoned once, for the learning rate must know it."""
        path = task.path / "plan.json"
        if not path.exists():
            seconds = _seconds_per_step(self._config(task, 1000), terms.calibration_steps)
            steps = max(1, round(AIM * 60 * terms.minutes / seconds))
            write_json(path, {"steps": steps, "cpu_s_per_step": seconds, "of_steps": terms.calibration_steps})
            say(f"{task.side}: {seconds:.3f} CPU seconds a step, so {steps:,} steps")
        plan: dict[str, Any] = json.loads(path.read_text())
        return plan


def _seconds_per_step(config: c.Config, steps: int) -> float:
    """CPU seconds of an update, the mean of `steps` after a few that are not counted."""
    image_set = build.image_set(config)
    state = training.TrainState(config, build.image_facts(image_set), CPU)
    denoiser = training_denoiser(config, state, CPU)
    stream = data.ShuffledStream(image_set, config.training.seed, config.data.horizontal_flip)
    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            started = time.process_time()
        train_step(state, denoiser, stream.batch(state.images, config.training.batch_size), 1000)
    return (time.process_time() - started) / steps


def _checkpoint(task: Task, model: Model) -> Path:
    newest = checkpoint.latest(runs.Run(task.path / "run").checkpoints)
    assert newest is not None and newest.state["step"] == model.step
    return newest.path


def _result(config: c.Config, model: Model, terms: Terms) -> dict[str, Any]:
    network: Any = model.denoiser.network
    return {
        "conditional": config.network.class_conditional,
        "parameters": sum(p.numel() for p in network.parameters()),
        "batch_size": config.training.batch_size,
        "updates": model.step,
        "images": model.step * config.training.batch_size,
        "minutes": terms.minutes,
        "versions": runs.versions(),
    }
