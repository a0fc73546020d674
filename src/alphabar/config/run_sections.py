"""The sections that say how a model is trained, sampled and evaluated: settings, types, defaults and limits."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from alphabar import names
from alphabar.config.one_of import OneOf
from alphabar.config.section import Section
from alphabar.config.values import (
    BatchSize,
    Count,
    OptionalFloat,
    OptionalInt,
    OptionalLength,
    OptionalPath,
    OrNone,
    Positive,
    Rate,
    Respacing,
    listed,
)

FIXED_VARIANCES = tuple(name for name in names.VARIANCES if not name.startswith("learned"))
"""The reverse variances that can replace a model's own when it samples."""


class Optimizer(Section):
    """The optimizer and its learning rate."""

    name: Annotated[str, OneOf(names.OPTIMIZERS)] = "adam"
    """adam; or muon, which makes the updates of the hidden layers' matrices orthogonal, with Adam for the rest."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """The learning rate after the warm-up."""
    adam_factor: Annotated[float, Field(gt=0)] = 0.4
    """muon: the factor on the learning rate of what Adam updates: norms, biases, embeddings, first and last layer."""
    betas: tuple[Rate, Rate] = (0.9, 0.999)
    """Adam's β_1 and β_2."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Adam's ε."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay (AdamW), if positive; with muon, of the hidden layers' matrices alone."""
    warmup_steps: Count = 0
    """Steps over which the learning rate rises linearly."""
    decay: Annotated[str, OneOf(names.DECAYS)] = "constant"
    """How the learning rate falls to 0: over the whole run (cosine, linear), or over its last fifth (cooldown)."""
    clip_norm: OptionalFloat = 1.0
    """The global gradient norm above which gradients are scaled down; none does not clip."""


PLANNABLE = (
    "data.image_size", "data.resize", "data.background", "data.horizontal_flip", "network.channels",
    "network.channel_mult", "network.attention_resolutions", "network.class_conditional", "network.label_dropout",
    "training.batch_size", "training.ema_rates", "optimizer.warmup_steps",
)  # fmt: skip
"""The settings that can be left to the images, the machine and the time."""


class Training(Section):
    """The length of the run, its batches, and what is saved. The first of steps, images, epochs and minutes ends it."""

    planned: tuple[Annotated[str, OneOf(PLANNABLE)], ...] = ()
    """Settings that `alphabar train` sets when the run begins, from the images, the machine and the time."""

    steps: OptionalInt = None
    """Length in optimizer steps."""
    images: OptionalInt = None
    """Length in training images seen."""
    epochs: OptionalLength = None
    """Length in passes over the data."""
    minutes: OptionalLength = None
    """Length in minutes of training, summed over all sessions of the run."""
    batch_size: BatchSize = 128
    """Images per optimizer step."""
    micro_batch_size: OptionalInt = None
    """Images per forward pass, where a batch does not fit into memory; gradients are accumulated."""
    initialised_from: OptionalPath = None
    """The checkpoint, or the model of another program, whose weights a new run starts from, as `--from` finds it; none
    starts from random weights."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The seed of the initial weights, the order of the images, t and the noise."""
    precision: Annotated[str, OneOf(("auto", *names.PRECISIONS))] = "fp32"
    """Precision of the network's forward pass; everything else stays in float32. auto measures which of fp32 and bf16
    is faster when the run begins, and stays with that."""
    compile: bool = False
    """Compile the network's blocks with torch.compile, which takes a minute or more at each start and pays on GPUs."""
    images_on_device: Literal["auto", "always", "never"] = "auto"
    """Keep the training images on the device, which then cuts out the batches; auto does so on an NVIDIA GPU where they
    take at most a quarter of its free memory. The batches are the same."""
    ema_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.9999,)
    """Rates of the moving averages of the weights; the first one is sampled by default."""
    ema_warmup: bool = True
    """Ramp the EMA rates up from 0.2, so that early weights fade."""
    log_every: Positive = 100
    """Steps between lines of metrics.jsonl."""
    sample_every: Count | Literal["auto"] = 5000
    """Steps between preview grids; 0 makes one at the end only. auto makes them after 30 seconds, 1, 2, 4, 8 minutes,
    then every 10, in at most a twentieth of the time."""
    checkpoint_every: Positive | Literal["auto"] = 5000
    """Steps between checkpoints; auto means every two minutes. One is also written with each preview grid."""
    keep_checkpoints: Positive = 3
    """How many of the newest checkpoints are kept."""
    strict_checkpoints: bool = False
    """Refuse to resume if the newest checkpoint is corrupt, instead of resuming from an older one."""
    bad_steps: Count = 10
    """Steps in a row whose loss or gradient is not finite, each of which is skipped; after more of them the run goes
    back to its last checkpoint once, with half the learning rate, and stops the next time. (In fp16, 20 overflows.)"""
    tracker: Annotated[tuple[Annotated[str, OneOf(names.TRACKERS)], ...], BeforeValidator(listed)] = ()
    """Programs that get the settings, metrics and previews too, one or a list; each needs the extra of its name."""

    @model_validator(mode="before")
    @classmethod
    def _tensorboard(cls, settings: object) -> object:
        """The setting training.tensorboard of earlier runs and recipes: true is the tracker of that name."""
        if not (isinstance(settings, dict) and isinstance(settings.get("tensorboard"), bool)):
            return settings
        rest = {name: value for name, value in settings.items() if name != "tensorboard"}
        if not settings["tensorboard"]:
            return rest
        return rest | {"tracker": tuple(dict.fromkeys(["tensorboard", *listed(rest.get("tracker", ()))]))}

    @model_validator(mode="after")
    def _consistent(self) -> "Training":
        if len(set(self.ema_rates)) < len(self.ema_rates):
            raise ValueError(f"training.ema_rates must differ from each other; they are {list(self.ema_rates)}")
        if not any((self.steps, self.images, self.epochs, self.minutes)):
            raise ValueError("Training never ends: set training.steps, .images, .epochs or .minutes")
        return self


class Parallel(Section):
    """How the processes that torchrun started train together."""

    strategy: Annotated[str, OneOf(names.STRATEGIES)] = "ddp"
    """ddp: each has the whole network; fsdp2: each keeps a share of weights, averages and moments."""
    exact: bool = False
    """Add the gradients of micro-batches one after the other: the same bits on any number of processes, with more
    memory and traffic. The micro-batches are eighths of the batch, if training.micro_batch_size is not set."""


class Sampling(Section):
    """The default way of sampling; the options of `alphabar sample` override it."""

    sampler: Annotated[str, OneOf(names.SAMPLERS)] = "dpmpp_2m_sde"
    """The sampler. The default was the best at few network calls where that was measured (docs/results/steps.md)."""
    steps: Respacing = None
    """Number of steps; none means the sampler's default (all T for ddpm). Or a respacing as in improved-diffusion:
    10,15,20 (steps per section), ddim50; or the timesteps themselves: t:1,5,9."""
    spacing: Annotated[Annotated[str, OneOf(names.EVERY_SPACING)] | None, OrNone] = None
    """Which timesteps are visited, if steps is a number; none means the sampler's default. optimal: those with the
    least bound, measured once on training images and kept in the run."""
    eta: Annotated[Annotated[float, Field(ge=0, le=1)] | None, OrNone] = None
    """Share of the reverse process's noise that is added: 0 is deterministic; none means 0 for ddim and dpmpp_2m, and 1
    for the SDE samplers."""
    order: Annotated[Literal[1, 2, 3] | None, OrNone] = None
    """The order of unipc; none means 2."""
    churn: Annotated[Annotated[float, Field(ge=0)] | None, OrNone] = None
    """EDM's S_churn, for euler and heun; none means 0."""
    variance: Annotated[str, OneOf(("model", *FIXED_VARIANCES, "analytic"))] = "model"
    """The variance of ddpm's steps: the model's own, a fixed one, or analytic: the optimal isotropic one, measured once
    on the training images."""
    guidance_scale: Annotated[float, Field(ge=0)] = 1.0
    """Scale of classifier-free guidance; 1 is off. Needs a network trained with label_dropout."""
    guidance_interval: Annotated[tuple[Positive, Positive] | None, OrNone] = None
    """The first and last timestep with guidance; none guides all."""
    guidance_rescale: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far the contrast that guidance adds is scaled back: 0 not at all, 1 fully."""
    precision: Annotated[str, OneOf(("auto", "fp32", "bf16"))] = "fp32"
    """Precision of the network; auto measures which is faster. Images in bf16 differ a little from those in fp32."""
    cuda_graphs: bool = False
    """On an NVIDIA GPU, launch the kernels of a network call at once, which takes memory for one more batch. Off until
    it was tried on one."""
    num: Positive = 64
    """How many images are sampled by default."""
    batch_size: BatchSize = 64
    """Images sampled at a time."""


class Evaluation(Section):
    """Metrics while training: images sampled with the first EMA as [sampling] says, against the training images."""

    every: Count = 0
    """Steps between evaluations; 0 makes none."""
    count: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    """How many images are sampled; distances can be compared at equal counts only."""
    features: Annotated[str, OneOf(("auto", *names.EXTRACTORS))] = "auto"
    """The extractor of the features; auto is fashion-cnn for Fashion-MNIST, and inception otherwise, or
    efficientnet-lite0 if the weights of inception are not there."""
    extractor_weights: OptionalPath = None
    """The file of the extractor's weights, if it is not where `alphabar data fetch` puts it."""
    metrics: Annotated[tuple[Annotated[str, OneOf(names.METRICS)], ...], Field(min_length=1)] = ("fd",)
    """Which metrics are measured."""
    best: Annotated[str, OneOf(("none", *names.QUANTITIES))] = "none"
    """Also keep the checkpoint that is best by this quantity; `--step best` selects it."""
    stop_when: Annotated[str, OneOf(("none", "held_out_loss"))] = "none"
    """held_out_loss ends the run when the loss of held-out images (first EMA, fixed t and noise) has not fallen for
    evaluation.patience evaluations; the checkpoint with the lowest is kept, unless evaluation.best names another."""
    patience: Positive = 3
    """Evaluations without a lower loss of held-out images after which evaluation.stop_when ends the run."""
