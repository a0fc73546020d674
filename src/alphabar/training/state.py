"""Everything that changes during training, and its way into a checkpoint and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alphabar import build
from alphabar.config import Config, ImageFacts
from alphabar.diffusion import TimestepSampler
from alphabar.errors import AlphabarError
from alphabar.runs.checkpoint import Checkpoint
from alphabar.runs.model import LoadedModel
from alphabar.training.ema import EMA
from alphabar.training.meter import LossMeter


class TrainState:
    """Network, optimizer, averages, loss scale, timestep sampler, running loss and the counters of a run."""

    def __init__(self, config: Config, facts: ImageFacts, device: torch.device) -> None:
        torch.manual_seed(config.training.seed)
        self.config, self.facts = config, facts
        self.network = build.place(build.network(config, facts), device).train()
        self.optimizer = _adam(config, self.network)
        self.ema = EMA(self.network, config.training.ema_rates, config.training.ema_warmup)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.training.precision == "fp16")
        self.timestep_sampler: TimestepSampler = build.timestep_sampler(config)
        self.meter = LossMeter(config.diffusion.steps, device)
        self.skipped = torch.zeros((), dtype=torch.int64, device=device)
        """The latest updates, in a row, whose gradient was not finite, so that the weights did not change."""
        self.step = 0
        self.images = 0
        self.seconds = 0.0

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.network.parameters()).device

    def model(self, path: Path) -> LoadedModel:
        """The model of the first EMA, which follows the training; `path` is the run's."""
        rate, average = next(iter(self.ema.networks.items()))
        return LoadedModel(
            path=path,
            denoiser=build.denoiser(self.config, average),
            config=self.config,
            facts=self.facts,
            step=self.step,
            weights=f"ema-{rate}",
            sha256="",
            device=self.device,
        )

    def tensors(self) -> dict[str, Mapping[str, Tensor]]:
        """The tensors by checkpoint file."""
        files: dict[str, Mapping[str, Tensor]] = {
            "network": self.network.state_dict(),
            "optimizer": _flatten(self.optimizer),
            "meter": self.meter.state_dict(),
            "timestep_sampler": self.timestep_sampler.state_dict(),
        }
        files |= {f"ema-{rate}": network.state_dict() for rate, network in self.ema.networks.items()}
        return {name: tensors for name, tensors in files.items() if tensors}

    def numbers(self) -> dict[str, Any]:
        """The contents of the checkpoint's state.json."""
        return {
            "step": self.step,
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "ema_updates": self.ema.updates,
            "loss_scale": self.scaler.state_dict(),
            "skipped": int(self.skipped),
            "computed_on": computed_on(self.device),
            "config": self.config.model_dump(mode="json"),
            "image_facts": self.facts.model_dump(mode="json"),
        }

    def restore(self, saved: Checkpoint) -> None:
        """Take over the state in `saved`; AlphabarError if it belongs to another network."""
        try:
            self.network.load_state_dict(saved.tensors("network"))
            for rate, network in self.ema.networks.items():
                network.load_state_dict(saved.tensors(f"ema-{rate}"))
            _unflatten(self.optimizer, saved.tensors("optimizer"))
        except (RuntimeError, KeyError) as error:
            raise AlphabarError(f"The checkpoint {saved.path} does not fit its own config: {error}.") from None
        self.meter.load_state_dict(saved.tensors("meter"))
        if "timestep_sampler" in saved.names():
            self.timestep_sampler.load_state_dict(saved.tensors("timestep_sampler"))
        self.ema.updates = saved.state["ema_updates"]
        if saved.state["loss_scale"]:  # empty if the run was not trained in fp16 so far
            self.scaler.load_state_dict(saved.state["loss_scale"])
        self.skipped.fill_(saved.state.get("skipped", 0))
        self.step, self.images, self.seconds = (saved.state[key] for key in ("step", "images", "seconds"))


def computed_on(device: torch.device) -> dict[str, Any]:
    """What the last bits of a computation depend on, beside its settings."""
    threads = {"threads": torch.get_num_threads()} if device.type == "cpu" else {}
    return {"device": device.type, **threads, "torch": torch.__version__}


def _adam(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    section = config.optimizer
    kind = torch.optim.AdamW if section.weight_decay else torch.optim.Adam
    return kind(
        network.parameters(),
        lr=section.learning_rate,
        betas=section.betas,
        eps=section.eps,
        weight_decay=section.weight_decay,
        fused=True,
    )


def _flatten(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments as '<parameter number>.<name>'."""
    moments: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor for number, group in moments.items() for name, tensor in group.items()}


def _unflatten(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, tensor in tensors.items():
        number, name = key.split(".")
        parameter = parameters[int(number)]
        # A moment takes the layout of its weights (channels_last), which a file does not know.
        home = torch.empty_like(parameter) if tensor.shape == parameter.shape else tensor.to(parameter.device)
        optimizer.state[parameter][name] = home.detach().copy_(tensor)
