"""Everything that changes during training, and its way into a checkpoint and back."""

import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphabar import build
from alphabar.config import Config, ImageFacts
from alphabar.diffusion import TimestepSampler
from alphabar.errors import AlphabarError
from alphabar.networks.compiled import compile_blocks
from alphabar.networks.precision import allow_tf32
from alphabar.runs.checkpoint import Checkpoint
from alphabar.runs.model import LoadedModel
from alphabar.training import optimizers
from alphabar.training.clock.pace import Pace
from alphabar.training.meter import LossMeter
from alphabar.training.mishaps.skips import Skips
from alphabar.training.optimizers.ema import EMA
from alphabar.training.parallel import sharding, strategies


class TrainState:
    """Network, optimizer, averages, loss scale, timestep sampler, running loss and the counters of a run."""

    def __init__(self, config: Config, facts: ImageFacts, device: torch.device) -> None:
        torch.manual_seed(config.training.seed)
        self.config, self.facts = config, facts
        self.network = build.place(build.network(config, facts), device).train()
        if device.type == "cuda":
            allow_tf32(config.training.precision != "fp32")  # for what autocast leaves in fp32
        self.ema = EMA(self.network, config.training.ema_rates, config.training.ema_warmup)
        averages = list(self.ema.networks.values())
        self.shown = deepcopy(averages[0]) if strategies.shares_out(config.parallel) else averages[0]
        """The first average, whole: the network that is sampled."""
        self.strategy = strategies.strategy(config.parallel, config.training.precision, self.network, averages)
        if config.training.compile:
            compile_blocks(self.network)  # after all copies of it were made
        self.optimizer = optimizers.OPTIMIZERS[config.optimizer.name](config.optimizer, self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.training.precision == "fp16")
        self.timestep_sampler: TimestepSampler = build.timestep_sampler(config)
        self.meter = LossMeter(config.diffusion.steps, device)
        self.skips = Skips(device)
        self.rate_factor = 1.0
        """What the learning rate is multiplied by: 1, or 1/2 after the run went back to a checkpoint."""
        self.is_copied = threading.Event()
        """Set, unless a checkpoint still reads the tensors, so that they must not change."""
        self.is_copied.set()
        self.is_changing = False
        """Whether an update has begun and not ended."""
        self.origin: dict[str, Any] | None = None
        """The checkpoint whose weights the run started from, and their sha256."""
        self.step = 0
        self.images = 0
        self.seconds = 0.0
        self.aside = 0.0
        """The seconds of `seconds` that were not spent on steps, but on previews and evaluations."""
        self.pace = Pace()

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.network.parameters()).device

    def model(self, path: Path) -> LoadedModel:
        """The model of the first EMA, which follows the training; `path` is the run's."""
        return LoadedModel(
            path=path,
            denoiser=build.denoiser(self.config, self.shown),
            config=self.config,
            facts=self.facts,
            step=self.step,
            weights=f"ema-{self.config.training.ema_rates[0]}",
            sha256="",
            device=self.device,
        )

    def show(self) -> None:
        """Bring `shown` up to date, before it is sampled. All processes call it."""
        average = next(iter(self.ema.networks.values()))
        if self.shown is not average:
            sharding.load(self.shown, sharding.all_whole(average.state_dict()))

    def tensors(self) -> dict[str, Mapping[str, Tensor]]:
        """The tensors by checkpoint file, whole. All processes call it."""
        files: dict[str, Mapping[str, Tensor]] = {
            "network": self.network.state_dict(),
            "optimizer": optimizers.moments(self.optimizer),
            "meter": self.meter.state_dict(),
            "timestep_sampler": self.timestep_sampler.state_dict(),
        }
        files |= {f"ema-{rate}": network.state_dict() for rate, network in self.ema.networks.items()}
        return {name: sharding.all_whole(tensors) for name, tensors in files.items() if tensors}

    def numbers(self) -> dict[str, Any]:
        """The contents of the checkpoint's state.json."""
        return {
            "step": self.step,
            "images": self.images,
            "seconds": self.seconds,
            "aside": self.aside,
            "pace": asdict(self.pace),
            "ema_updates": self.ema.updates,
            "loss_scale": self.scaler.state_dict(),
            "skipped": int(self.skips.in_a_row),
            **({"rate_factor": self.rate_factor} if self.rate_factor != 1 else {}),
            "computed_on": computed_on(self.device),
            **({"initialised_from": self.origin} if self.origin else {}),
            "config": self.config.model_dump(mode="json"),
            "image_facts": self.facts.model_dump(mode="json"),
        }

    def restore(self, saved: Checkpoint) -> None:
        """Take over the state in `saved`; AlphabarError if it belongs to another network, or is damaged."""
        networks = {"network": self.network} | {f"ema-{rate}": network for rate, network in self.ema.networks.items()}
        for name, network in networks.items():
            sharding.load(network, saved.fitting(name, network.state_dict()))
        optimizers.restore(self.optimizer, saved)
        self.meter.load_state_dict(saved.fitting("meter", self.meter.state_dict()))
        if like := self.timestep_sampler.state_dict():
            self.timestep_sampler.load_state_dict(saved.fitting("timestep_sampler", like))
        self.ema.updates, self.step, self.images = (_counter(saved, key) for key in ("ema_updates", "step", "images"))
        self.skips.forget(_counter(saved, "skipped") if "skipped" in saved.state else 0)
        self.rate_factor = _rate_factor(saved)
        self.seconds = _number(saved, "seconds")
        self.aside = _number(saved, "aside") if "aside" in saved.state else 0.0
        self.pace = _pace(saved)
        self.origin = saved.state.get("initialised_from")
        if saved.state.get("loss_scale") and self.scaler.is_enabled():  # empty if the run was not in fp16 so far
            self.scaler.load_state_dict(_loss_scale(saved, self.scaler.state_dict()))


def _number(saved: Checkpoint, key: str) -> float:
    value = saved.state.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise _damaged(saved, f"{key} is {value!r}, not a number of at least 0")
    return value


def _counter(saved: Checkpoint, key: str) -> int:
    value = _number(saved, key)
    if not isinstance(value, int):
        raise _damaged(saved, f"{key} is {value!r}, not a whole number")
    return value


def _rate_factor(saved: Checkpoint) -> float:
    factor = _number(saved, "rate_factor") if "rate_factor" in saved.state else 1.0
    if not 0 < factor <= 1:
        raise _damaged(saved, f"rate_factor is {factor!r}, not above 0 and at most 1")
    return factor


def _pace(saved: Checkpoint) -> Pace:
    """The pace of the run; a checkpoint of an older version has none."""
    entry = saved.state.get("pace", asdict(Pace()))
    entry = {"aside": 0.0, **entry} if isinstance(entry, dict) else entry  # what put nothing aside did not say so
    if not isinstance(entry, dict) or entry.keys() != asdict(Pace()).keys():
        raise _damaged(saved, f"pace is {entry!r:.80}, not {', '.join(asdict(Pace()))}")
    for key, value in entry.items():
        kinds = (int,) if key in ("step", "end") else (int, float)
        is_optional = value is None and key in ("budget", "end")
        if not is_optional and (isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < 1e15):
            raise _damaged(saved, f"{key} of pace is {value!r:.80}")
    return Pace(**entry)


def _loss_scale(saved: Checkpoint, like: Mapping[str, Any]) -> dict[str, Any]:
    """The state of the loss scaler: positive numbers under the keys of `like`, and whole ones where it has these."""
    scale = saved.state["loss_scale"]
    if not isinstance(scale, dict) or scale.keys() != like.keys():
        raise _damaged(saved, f"loss_scale is {scale!r:.80}, not {', '.join(like)}")
    for key, value in scale.items():
        least = 0 if key == "_growth_tracker" else 1e-30
        kinds = (int,) if isinstance(like[key], int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < least:
            raise _damaged(saved, f"{key} of loss_scale is {value!r:.80}")
    return scale


def _damaged(saved: Checkpoint, what: str) -> AlphabarError:
    return AlphabarError(
        f"The state of {saved.path} is damaged ({what}); move it elsewhere to resume from an older checkpoint."
    )


def computed_on(device: torch.device) -> dict[str, Any]:
    """What the last bits of a computation depend on, beside its settings."""
    threads = {"threads": torch.get_num_threads()} if device.type == "cpu" else {}
    return {"device": device.type, **threads, "torch": torch.__version__}
