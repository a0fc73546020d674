"""A run or a checkpoint -> a model: its weights, and all that has to be known to sample it."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from alphabar import build
from alphabar import config as c
from alphabar.data import OWN_DATA, ImageSet, NoSplitError, classes, detect
from alphabar.diffusion import Denoiser
from alphabar.errors import AlphabarError
from alphabar.runs import bundled, checkpoint
from alphabar.runs.run import Run, described, read_best

_LOG = logging.getLogger(__name__)

Label = int | Literal["each", "none"]
"""The class of images to be sampled: one class, each class in turn, or no class."""

NO_CLASS = ("none", "unconditional")
"""What asks for images without a class. A class of such a name comes first."""


@dataclass(frozen=True)
class DataPlace:
    """Where the data of a run lie now, if they were moved since."""

    path: Path | None = None
    """The user's own file or folder."""
    root: Path | None = None
    """The folder of a published data set's files."""


IN_PLACE = DataPlace()
"""The data lie where they lay."""


@dataclass(frozen=True)
class LoadedModel:
    """A trained network, how its output is read, and where it comes from."""

    path: Path
    """The run, checkpoint or bundled model, as it was named."""
    denoiser: Denoiser
    config: c.Config
    facts: c.ImageFacts
    step: int
    weights: str
    sha256: str
    """sha256 of the file of weights."""
    device: torch.device
    place: DataPlace = IN_PLACE

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that the network is conditioned on; none if it is unconditional."""
        return build.class_names(self.config, self.facts)

    @property
    def knows_no_class(self) -> bool:
        """Whether the network can be sampled without a class."""
        return not self.class_names or self.config.network.label_dropout > 0

    def data(self, split: str | None = None) -> c.Data:
        """The run's [data], of another split, at the place where they lie now."""
        section, place = self.config.data, self.place
        changes = {"split": split, "path": place.path, "root": place.root}
        if place.path is not None and section.name in OWN_DATA:
            changes["name"] = detect(place.path)
        return section.model_copy(update={name: value for name, value in changes.items() if value is not None})

    def images(self, split: str | None = None) -> ImageSet:
        """The images of `data(split)`; their labels index the classes of the network, if it has classes.

        AlphabarError if they are not there any more, have another shape than the network's, or a class that it does
        not know; or if `place` holds others than those that the run was trained on.
        """
        images = self._read(split)
        if self.place != IN_PLACE and not self._is_original(split, images):
            raise AlphabarError(
                f"{images.source} holds other images than those that {self.path} was trained on; name their copy with "
                "--data."
            )
        return images

    def _read(self, split: str | None) -> ImageSet:
        section = self.data(split)
        if self.place.path is None and section.path is not None and not section.path.exists():
            raise AlphabarError(
                f"{section.path}, the data that {self.path} was trained on, is not there; name its new place with "
                "--data."
            )
        images = build.image_set(section)
        if images.shape != self.facts.shape:
            raise AlphabarError(
                f"The run's data are {images.shape} now, and it was trained on {self.facts.shape} (channels, height, "
                "width); restore the data that it was trained on, or name their copy with --data."
            )
        if not self.class_names:
            return images
        return classes.matched(images, self.class_names, f"The {section.split} images in {images.source}")

    def _is_original(self, split: str | None, images: ImageSet) -> bool:
        """Whether the data that `images` are a split of, or themselves, are what the run was trained on."""
        if not self.facts.fingerprint:  # of an imported model, whose images are not known
            return True
        if split in (None, self.config.data.split):
            return images.fingerprint() == self.facts.fingerprint
        return self._trains_on_the_same

    @cached_property
    def _trains_on_the_same(self) -> bool:
        try:
            return self._read(None).fingerprint() == self.facts.fingerprint
        except NoSplitError:
            _LOG.warning(
                "%s holds no %s images, so it cannot be checked that they are of the data that %s was trained on.",
                self.place.path or self.place.root, self.config.data.split, self.path,
            )  # fmt: skip
            return True

    def tensors(self) -> dict[str, Tensor]:
        """The weights of the network by name."""
        assert isinstance(self.denoiser.network, nn.Module)
        return self.denoiser.network.state_dict()

    def check_label(self, label: Label) -> None:
        """AlphabarError for a label that the network cannot be conditioned on."""
        names = self.class_names
        if label == "each" and not names:
            raise AlphabarError("Images of each class were asked for, but this model has no classes.")
        if label == "none" and not self.knows_no_class:
            raise AlphabarError(
                "This network was trained without network.label_dropout, so it needs a class for every image; choose "
                f"one with --class: {classes.listed(names)}."
            )
        if isinstance(label, int) and not 0 <= label < len(names):
            raise AlphabarError(f"There is no class {label}; this model has {len(names)} classes.")

    def label(self, name: str | int | None) -> Label:
        """A class by number, by name, or 'none'; "each" for None ("none" if the network has no classes)."""
        names = self.class_names
        if name is None:
            return "each" if names else "none"
        text = str(name)
        if not names:
            raise AlphabarError(f"Class {text} was asked for, but this model has no classes; leave the class out.")
        if (number := classes.class_number(names, text)) is not None:
            return number
        if text in NO_CLASS:
            self.check_label("none")
            return "none"
        raise AlphabarError(f"There is no class {text}; this model's classes are {classes.listed(names)}.")


def load_model(
    path: Path | str,
    weights: str = "ema",
    device: torch.device | str = "cpu",
    step: int | str | None = None,
    place: DataPlace = IN_PLACE,
) -> LoadedModel:
    """The model of a run directory, of one of its checkpoints, or the bundled model of this name.

    weights: 'ema' (the first rate), 'raw', or 'ema-RATE'.
    step: the training step of the checkpoint, or 'best' (by evaluation.best); the newest checkpoint if None.
    place: where the run's data lie now, if they were moved.
    """
    return checkpoint.retried(lambda: load_checkpoint(find(Path(path), step), Path(path), weights, device, place))


def load_checkpoint(
    saved: checkpoint.Checkpoint,
    path: Path,
    weights: str,
    device: torch.device | str = "cpu",
    place: DataPlace = IN_PLACE,
) -> LoadedModel:
    """The model of a checkpoint, of which a training may remove every file as soon as the weights are open.

    path: what the model is called by; see `load_model` for the others.
    """
    config, facts = described(saved)
    name = weights_name(saved, config, weights)
    with saved.opened(name) as file:
        blocks, count = config.network.num_blocks * len(config.network.channel_mult), len(file.header())
        if blocks > count:
            raise AlphabarError(f"The {count} weights '{name}' in {saved.path} are too few for {blocks} blocks.")
        tensors = file.fitting(build.network_sizes(config, facts))  # before memory is taken for the network
    network = build.network(config, facts)
    network.load_state_dict(tensors)
    build.place(network, device).eval().requires_grad_(False)
    return LoadedModel(
        path=path,
        denoiser=build.denoiser(config, network),
        config=config,
        facts=facts,
        step=saved.state["step"],
        weights="raw" if weights == "raw" else name,
        sha256=saved.sha256[f"{name}.safetensors"],
        device=torch.device(device),
        place=place,
    )


def weights_name(saved: checkpoint.Checkpoint, config: c.Config, weights: str) -> str:
    """The name of the file of `weights` ('ema', 'raw' or 'ema-RATE') in a checkpoint, without its suffix."""
    name = {"raw": "network", "ema": f"ema-{config.training.ema_rates[0]}"}.get(weights, weights)
    averages = [n for n in saved.names() if n.startswith("ema-")]
    choices = [*(["ema"] if averages else []), *(["raw"] if "network" in saved.names() else []), *averages]
    if weights not in choices or name not in saved.names():
        raise AlphabarError(f"{saved.path} has no weights '{weights}'; choose one of: {', '.join(choices)}.")
    return name


def find(path: Path, step: int | str | None) -> checkpoint.Checkpoint:
    """The checkpoint that a run's path and a step mean; see `load_model`."""
    if checkpoint.is_one(path) and path.parent.is_dir() and not path.exists():
        raise checkpoint.Vanished(f"The checkpoint {path} is gone.")
    path = bundled.located(path)
    if checkpoint.is_one(path):
        if step is not None:
            raise AlphabarError(f"{path} is one checkpoint already; name the run directory to choose with --step.")
        return checkpoint.read(path)
    folder = Run(path).checkpoints
    if step is None:
        newest = checkpoint.latest(folder)
        if newest is None:
            hides = f" It hides the bundled model {path}." if str(path) in bundled.names() else ""
            if not Run(path).config.exists():
                raise AlphabarError(f"{path} holds no checkpoint and is not a run directory.{hides}")
            raise AlphabarError(
                f"{path} holds no checkpoint; a run has its first one after training.checkpoint_every steps.{hides}"
            )
        return newest
    paths = {checkpoint.step_of(p): p for p in checkpoint.steps(folder)}
    best = read_best(Run(path))
    number = best.step if step == "best" and best else int(step) if str(step).isdecimal() else step
    if number not in paths:
        choices = [*map(str, paths), *(["best"] if best else [])]
        raise AlphabarError(f"{path} holds no checkpoint of step {step}; there are: {', '.join(choices) or 'none'}.")
    return checkpoint.read(paths[int(number)])
