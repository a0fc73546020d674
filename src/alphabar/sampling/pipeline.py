"""A model and how it samples, checked once: the object that everything which samples holds."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

import alphabar
from alphabar import build, images
from alphabar import config as c
from alphabar.data.options import manner
from alphabar.diffusion import Denoiser, Network, Sampler, SeededNoise, Step, reverse_process
from alphabar.errors import AlphabarError
from alphabar.runs.model import Label, LoadedModel
from alphabar.sampling import backends, parts, precision, settings
from alphabar.sampling.analytic_variance import with_analytic_variance
from alphabar.sampling.job import Job, check_count
from alphabar.sampling.optimal_steps import with_optimal_steps
from alphabar.seeds import derived
from alphabar.terminal.progress import progress


@dataclass(frozen=True, repr=False)
class Pipeline:
    """The model's denoiser on the timesteps that `section` visits, the sampler, and how classes are conditioned on.

    label: the class of every image, "each" for class (seed mod number of classes), or "none".
    examples: the small images that an upsampler enlarges when a job names none, uint8 (N, C, h, w): number seed mod N.
    backend: a key of BACKENDS, what computes the network.
    """

    model: LoadedModel
    section: c.Sampling
    denoiser: Denoiser
    sampler: Sampler
    condition: parts.Condition
    label: Label
    examples: Tensor | None = field(default=None, repr=False, compare=False)
    backend: str = backends.TORCH

    @classmethod
    def of(
        cls,
        model: LoadedModel,
        changes: Mapping[str, Any] | None = None,
        label: Label | None = None,
        backend: str = backends.TORCH,
    ) -> "Pipeline":
        """The model's own [sampling] with `changes` (its setting -> value). AlphabarError says what cannot be.

        label: "each" if None, or "none" for a network without classes.
        """
        backends.made(backend, model)
        section = precision.settled(model, settings.changed(model.config, changes or {}), backend, backends.TORCH)
        sampler = parts.sampler(section)
        section = with_optimal_steps(model, section)
        rows = parts.rows(model.denoiser.schedule, section)
        denoiser = parts.respaced(model.denoiser, section, rows)
        condition = parts.condition(model.config, model.facts, section)
        label = label if label is not None else model.label(None)
        model.check_label(label)
        if label == "none" and section.guidance_scale != 1:
            raise AlphabarError(
                f"--guidance {section.guidance_scale:g} is towards a class, and these images have no class; choose one "
                "with --class, or leave --guidance at 1."
            )
        return cls(model, section, denoiser, sampler, condition, label, backend=backend)

    def __repr__(self) -> str:
        return f"Pipeline({str(self.model.path)!r}: {self.how}, {self.steps_per_image} steps, class {self.label})"

    @property
    def steps_per_image(self) -> int:
        """The length of the chain."""
        return self.denoiser.schedule.T

    @property
    def last_timestep(self) -> int:
        """The noisiest timestep of the chain, in 1..T."""
        return int(self.denoiser.schedule.timesteps[-1])

    @property
    def how(self) -> str:
        """The sampler and its options, for people: "ddim, η = 1"."""
        return settings.described(self.section, self.sampler)

    def settings(self) -> dict[str, Any]:
        """Everything that decides how an image of a given seed looks; None where a setting does not apply."""
        model = self.model
        return {
            "alphabar": alphabar.__version__,
            "run": str(model.path),
            "step": model.step,
            "weights": model.weights,
            "weights_sha256": model.sha256,
            **settings.listed(self.section, self.sampler, self.denoiser.schedule, model.denoiser.schedule.T),
            "x0_transform": model.config.diffusion.x0_transform,
            "class": self.label if isinstance(self.label, int) else None,
            "unconditional": (self.label == "none" and bool(model.class_names)) or None,
            "backend": None if self.backend == backends.TORCH else self.backend,
            "data": manner(build.data_options(model.config.data)),
        }

    @cached_property
    def measured_denoiser(self) -> Denoiser:
        """The denoiser that samples: with the analytic variance measured, if that is the one and is not known yet, and
        with the network of the backend, in the precision of the section.
        """
        denoiser = self.denoiser
        if self.section.variance == "analytic":
            denoiser = with_analytic_variance(self.model, denoiser)
        return replace(denoiser, network=self._computed(denoiser.network))

    def _computed(self, network: Network) -> Network:
        if self.backend != backends.TORCH:
            network = backends.made(self.backend, self.model)()
        return precision.computed(network, self.section, self.model.device)

    def prepare(self) -> "Pipeline":
        """Measure an analytic variance, and make the backend's network, now, before a bar is shown or processes share
        the work; returns the pipeline.
        """
        _ = self.measured_denoiser
        return self

    def job(self, seeds: Sequence[int], low_res: Tensor | None = None) -> Job:
        """The images of these seeds; of an upsampler, the enlarged ones of `low_res`, uint8 (N, C, h, w)."""
        check_count(len(seeds))
        if low_res is None and self.examples is not None:
            low_res = self.examples[[seed % len(self.examples) for seed in seeds]]
        self._check_low_res(low_res)
        label, classes = self.label, len(self.model.class_names)
        labels = None if label == "none" else tuple(seed % classes if label == "each" else label for seed in seeds)
        return Job(tuple(seeds), labels, self.model.facts.shape, low_res)

    def conditioned(self, job: Job) -> Denoiser:
        """The denoiser of a job: of p(x | its labels and small images), or of p(x) if it has neither."""
        self._check_low_res(job.low_res)
        denoiser, device = self.measured_denoiser, self.model.device
        if job.labels is not None:
            denoiser = self.condition(denoiser, torch.tensor(job.labels, device=device))
        return denoiser if job.low_res is None else denoiser.beside(images.to_signed(job.low_res.to(device)))

    def _check_low_res(self, low_res: Tensor | None) -> None:
        size = self.model.config.network.low_resolution
        if size is not None and low_res is None:
            large, small = ("x".join(map(str, each)) for each in (self.model.facts.shape[1:], size))
            raise AlphabarError(
                f"{self.model.path} is an upsampler, which makes {large} images of {small} ones; give it some with "
                "`alphabar upscale`."
            )

    def noise(self, job: Job) -> tuple[Tensor, SeededNoise]:
        """x_T ~ N(0, I) of a job (N, C, H, W), and the noise of its seeds from there on.

        An upsampler's noise is independent of that of a small image with the same seed.
        """
        is_upsampler = job.low_res is not None
        noise = SeededNoise([derived("upsampler", seed) for seed in job.seeds] if is_upsampler else job.seeds)
        x = noise(torch.empty((len(job.seeds), *job.shape), device=self.model.device))
        return x.contiguous(memory_format=torch.channels_last), noise

    def steps(self, job: Job, start: int | None = None) -> Iterator[Step]:
        """The reverse process of a job, batch after batch, from x_T to x_0; steps at t = 0 hold its images, in order.

        start: a row of the chain to begin at, as if x_start were N(0, I). Keep what you need of a step and let it go:
        a whole chain does not fit into memory.
        """
        for batch in job.batches(self.section.batch_size):
            x, noise = self.noise(batch)
            yield from reverse_process(self.sampler, self.conditioned(batch), x, start=start, noise=noise)

    def images(
        self, job: Job, start: int | None = None, watch: Callable[[Step], object] | None = None, bar: str = "sampling"
    ) -> Tensor:
        """The images of a job, uint8 (N, C, H, W).

        watch: called with every step, for an interrupt or a bar of one's own. bar: the label of the bar; "" shows none.
        """
        samples = []
        self.prepare()
        with progress(bar, len(job.seeds)) if bar else nullcontext(lambda amount: None) as advance:
            for step in self.steps(job, start):
                advance(len(step.x) / (start or self.steps_per_image))
                if watch:
                    watch(step)
                if step.t == 0:
                    samples.append(images.to_uint8(step.x).cpu())
        return torch.cat(samples)

    # ---- chains that begin in the middle, for edits ---------------------------------------------------------------

    def rows_up_to(self, t: int) -> list[int]:
        """The grid laid over 1..t, with t its last row and the share t/T of its steps."""
        schedule = self.model.denoiser.schedule
        if not 1 <= t <= schedule.T:
            raise AlphabarError(f"t must lie in 1..{schedule.T}, from nearly unchanged to pure noise; got {t}.")
        grid = parts.rows(schedule, self.section)
        if isinstance(self.section.steps, str):
            return [*(row for row in grid if row < t), t]
        count = min(t, max(1, math.ceil(len(grid) * t / schedule.T)))
        section = self.section.model_copy(update={"steps": count})
        return [*parts.rows(schedule.respace(range(1, t + 1)), section)[:-1], t]

    def up_to(self, t: int) -> "Pipeline":
        """The pipeline on the timesteps `rows_up_to(t)`."""
        denoiser = parts.respaced(self.model.denoiser, self.section, self.rows_up_to(t))
        return replace(self, denoiser=denoiser).prepare()
