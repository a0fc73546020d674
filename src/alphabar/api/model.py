"""The model that `alphabar.load` returns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Unpack, cast

from torch import nn

from alphabar import build, config
from alphabar.api.foreign import is_foreign, load_foreign
from alphabar.api.options import Options, Seeds, StrPath, changes, path, seed_list
from alphabar.api.reminder import Reminder
from alphabar.data import ImageSet
from alphabar.diffusion import Denoiser, Step
from alphabar.errors import AlphabarError, sentences
from alphabar.runs.model import DataPlace, LoadedModel, load_model
from alphabar.sampling import backends
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.samples import Images


class Model:
    """A trained model that samples images: `model.sample(16)`."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded

    def __repr__(self) -> str:
        model, shape = self.loaded, "x".join(map(str, self.loaded.facts.shape))
        parameters = sum(p.numel() for p in cast(nn.Module, model.denoiser.network).parameters())
        classes = [f"{len(self.classes)} classes"] if self.classes else []
        facts = [shape, *classes, f"{parameters:,} parameters", f"step {model.step:,}", model.weights]
        return f"Model({str(model.path)!r}: {', '.join(facts)})"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that `label` takes; none for an unconditional model."""
        return self.loaded.class_names

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.loaded.facts.shape

    @property
    def config(self) -> config.Config:
        """Every setting of the run."""
        return self.loaded.config

    @property
    def denoiser(self) -> Denoiser:
        """The network read as a denoiser, for `alphabar.diffusion`.

        Of a class-conditional model use it after `.given(labels)`. Without, it is that of images
        without a class, which the log says once.
        """
        denoiser = self.loaded.denoiser
        if not self.classes:
            return denoiser
        return replace(denoiser, network=Reminder(cast(nn.Module, denoiser.network), self.classes))

    @sentences()
    def images(self, split: str | None = None) -> ImageSet:
        """The images that the model was trained on, or those of another split of the same data."""
        return self.loaded.images(split)

    @sentences()
    def pipeline(
        self, label: str | int | None = None, *, backend: str = backends.TORCH, **options: Unpack[Options]
    ) -> Pipeline:
        """How this model samples with these options, checked: what `sample`, `stream` and the figures use."""
        return Pipeline.of(self.loaded, changes(options), self.loaded.label(label), backend)

    @sentences()
    def sample(
        self,
        num: int | None = None,
        *,
        label: str | int | None = None,
        seeds: Seeds = None,
        backend: str = backends.TORCH,
        **options: Unpack[Options],
    ) -> Images:
        """Sample images: the same ones, to the bit, that `alphabar sample` writes with these options.

        num: how many, of the seeds 0 to num - 1; 64 if neither num nor seeds is given.
        label: the class by name or number, or "none"; each class in turn if None.
        seeds: "0-63,100", or numbers. An image depends on its seed alone, not on the other seeds.
        backend: what computes the network, torch or onnxruntime (on the CPU).
        options: see `alphabar.Options`.
        """
        pipeline = self.pipeline(label, backend=backend, **options)
        job = pipeline.job(image_seeds(pipeline, num, seeds))
        return Images(pipeline.images(job), pipeline.settings(), job, self.classes)

    @sentences()
    def stream(
        self,
        num: int | None = None,
        *,
        label: str | int | None = None,
        seeds: Seeds = None,
        backend: str = backends.TORCH,
        **options: Unpack[Options],
    ) -> Iterator[Step]:
        """The reverse process as it happens, a `Step` for each network call or two.

        step.t: the steps that remain, from steps - 1 down to 0 (not the network's timestep). step.x: the noisy images,
        float32 (N, C, H, W). step.x0: the estimate of the final images, in [-1, 1]. At t = 0 both are the images. More
        images than a batch come batch after batch. The arguments are those of `sample`.
        """
        pipeline = self.pipeline(label, backend=backend, **options)
        return pipeline.steps(pipeline.job(image_seeds(pipeline, num, seeds)))


def image_seeds(pipeline: Pipeline, num: int | None, seeds: Seeds) -> Sequence[int]:
    """The seeds of the images to sample."""
    if num is not None and seeds is not None:
        raise AlphabarError("Both --num and --seeds were given; --num N means --seeds 0-(N-1).")
    if num is not None and (not isinstance(num, int) or num < 1):
        raise AlphabarError(f"--num is the number of images, a whole number of at least 1; got {num!r}.")
    return range(num or pipeline.section.num) if seeds is None else seed_list(seeds)


@sentences()
def load(
    run: str | Path,
    *,
    weights: str = "ema",
    step: int | str | None = None,
    device: str = "auto",
    data: StrPath | None = None,
    data_root: StrPath | None = None,
) -> Model:
    """The model of a run directory, of a checkpoint, or the bundled model of this name ("fashion-mnist").

    A model of another program is loaded as it lies: a file of weights, a folder of diffusers, or "hf:owner/name".
    weights: "ema", "raw", or "ema-RATE". step: the training step of a checkpoint, or "best"; the newest if None.
    device: "auto", "cpu", "cuda", "cuda:1" or "mps".
    data: the images that the run was trained on, if they were moved. data_root: the files of its published data set.
    """
    if not isinstance(run, str | PathLike):
        raise AlphabarError(f"A run is named by its path or by the name of a bundled model; got {type(run).__name__}.")
    if is_foreign(run):
        return Model(load_foreign(run, weights, step, build.device(device), DataPlace(path(data), path(data_root))))
    return Model(load_model(run, weights, build.device(device), step, DataPlace(path(data), path(data_root))))


def loaded(model: Model | str | Path, device: str = "auto") -> LoadedModel:
    """The model that `load` returned, or loads from this path."""
    return (model if isinstance(model, Model) else load(model, device=device)).loaded
