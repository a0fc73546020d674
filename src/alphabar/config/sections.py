"""The sections of a config: every setting, its type, its default and its limits."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alphabar import names
from alphabar.config.one_of import OneOf
from alphabar.config.values import (
    BatchSize,
    Count,
    ImageSize,
    Level,
    Multipliers,
    OptionalFloat,
    OptionalInt,
    OptionalPath,
    OrNone,
    Positive,
    Rate,
    Respacing,
    Side,
)

FIXED_VARIANCES = tuple(name for name in names.VARIANCES if not name.startswith("learned"))
"""The reverse variances that can replace a model's own when it samples."""


class Section(BaseModel):
    """A frozen group of settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, settings: object) -> object:
        """Python takes true for 1."""
        for name, value in settings.items() if isinstance(settings, dict) else ():
            field = cls.model_fields.get(name)
            truths = [
                part for part in (value if isinstance(value, list | tuple) else [value]) if isinstance(part, bool)
            ]
            if truths and field is not None and field.annotation is not bool:
                raise ValueError(f"{cls.__name__.lower()}.{name} cannot be {str(truths[0]).lower()}")
        return settings


class Data(Section):
    """The images, where they are, and their size."""

    name: Annotated[str, OneOf(names.DATASETS)] = "digits"
    """The data set, or the kind of your own files at data.path: folder, archive, idx or npz."""
    path: OptionalPath = None
    """Your own folder or file of images."""
    root: OptionalPath = None
    """The folder of a published data set's files, if they are not in the cache."""
    split: Annotated[str, OneOf(("train", "val", "test"))] = "train"
    """The part of the data set."""
    image_size: ImageSize = None
    """(height, width), or one number for both; none keeps the size that the images have."""
    channels: Annotated[Literal[1, 3, 4] | None, OrNone] = None
    """1 grey, 3 RGB, 4 RGBA; none means 1 if every image is grey, and 3 otherwise."""
    resize: Annotated[str, OneOf(("none", *names.RESIZE_RULES))] = "none"
    """How images of another size reach image_size; only `stretch` changes their aspect ratio."""
    background: tuple[Level, Level, Level] = (0, 0, 0)
    """The RGB colour behind transparent pixels and around padded images."""
    white: OptionalFloat = None
    """The stored level that is white, such as 4095; none means 255 of 8 bits, 65535 of 16 bits, and 1 of floats."""
    jpeg_without_end: bool = False
    """Use JPEGs that lack only the marker that ends them."""
    horizontal_flip: bool = False
    """Mirror every image with probability 1/2."""


class Network(Section):
    """The network: a U-Net."""

    name: Annotated[str, OneOf(names.NETWORKS)] = "unet"
    preset: Annotated[str, OneOf(names.PRESETS)] = "ddpm"
    """The published U-Net whose embedding, conditioning, padding and initialisation are used."""
    channels: Side = 128
    """Channels of the finest level."""
    channel_mult: Multipliers = (1, 2, 2, 2)
    """Channels of each level, as multiples of network.channels; each level halves the image."""
    num_blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks per level on the way down; one more on the way up."""
    attention_resolutions: tuple[Positive, ...] = (16,)
    """Levels whose shorter side is one of these have attention; the middle block always has."""
    dropout: Rate = 0.0
    """Dropout probability in every residual block."""
    class_conditional: bool = False
    """Condition the network on each image's class; needs labelled images."""
    label_dropout: Rate = 0.0
    """Probability that a training image's class is dropped, so that the network learns p(x) too; guidance needs it."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""


class Diffusion(Section):
    """The forward process, and how the network's output is read."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """T, the number of steps of the forward process."""
    schedule: Annotated[str, OneOf(names.SCHEDULES)] = "linear"
    """The noise schedule: how ᾱ_t falls from 1 to about 0."""
    parameterization: Annotated[str, OneOf(names.PARAMETERIZATIONS)] = "eps"
    """What the network outputs: the noise, the image, the mean of the reverse step, or v (Salimans & Ho 2022)."""
    variance: Annotated[str, OneOf(names.VARIANCES)] = "fixed_large"
    """The variance of a reverse step: fixed_small is β̃_t; fixed_large is β_t (best with all T steps, bad with few);
    learned is the network's; learned_range is its interpolation between β̃_t and β_t (Improved DDPM)."""
    x0_transform: Annotated[str, OneOf(names.X0_TRANSFORMS)] = "clip"
    """What is done to the predicted x̂_0 in every sampling step: clip to [−1, 1], dynamic thresholding, or nothing."""
    time_scale: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the timestep that the network receives (1000/T for OpenAI's rescaled time)."""
    objective: Annotated[str, OneOf(names.OBJECTIVES)] = "simple"
    """simple: the squared error. vlb: the variational bound. hybrid: both. A learned variance needs vlb or hybrid."""
    vlb_weight: OptionalFloat = None
    """λ, the weight of the whole bound; none means 0.001 in hybrid and 1 in vlb. OpenAI's unrescaled losses are 1/T."""
    weighting: Annotated[str, OneOf(names.WEIGHTINGS)] = "none"
    """How the squared error is weighted over t."""
    min_snr_gamma: Annotated[float, Field(gt=0)] = 5.0
    """min_snr's γ: the largest weight of an error in x̂_0."""
    p2_gamma: Annotated[float, Field(ge=0)] = 1.0
    """p2's γ: how strongly the weight falls as the SNR grows."""
    p2_k: Annotated[float, Field(gt=0)] = 1.0
    """p2's k: bounds the weight as SNR → 0."""
    decoder: Annotated[str, OneOf(names.DECODERS)] = "exact"
    """The likelihood of a pixel in the bound's last term: exact, or the approximation of the published numbers."""
    timestep_sampler: Annotated[str, OneOf(names.TIMESTEP_SAMPLERS)] = "uniform"
    """How training samples t: uniformly, spread evenly over each batch, or in proportion to the bound's terms."""


class Optimizer(Section):
    """Adam and its learning rate."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """The learning rate after the warm-up."""
    betas: tuple[Rate, Rate] = (0.9, 0.999)
    """Adam's β_1 and β_2."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Adam's ε."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay (AdamW), if positive."""
    warmup_steps: Count = 0
    """Steps over which the learning rate rises linearly."""
    decay: Annotated[str, OneOf(names.DECAYS)] = "constant"
    """How the learning rate falls to 0: over the whole run (cosine, linear), or over its last fifth (cooldown)."""
    clip_norm: OptionalFloat = 1.0
    """The global gradient norm above which gradients are scaled down; none does not clip."""


class Training(Section):
    """The length of the run, its batches, and what is saved. The first of steps, images, epochs and minutes ends it."""

    steps: OptionalInt = None
    """Length in optimizer steps."""
    images: OptionalInt = None
    """Length in training images seen."""
    epochs: OptionalFloat = None
    """Length in passes over the data."""
    minutes: OptionalFloat = None
    """Length in minutes of training, summed over all sessions of the run."""
    batch_size: BatchSize = 128
    """Images per optimizer step."""
    micro_batch_size: OptionalInt = None
    """Images per forward pass, where a batch does not fit into memory; gradients are accumulated."""
    initialised_from: OptionalPath = None
    """The checkpoint whose weights a new run starts from, as `--from` finds it; none starts from random weights."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The seed of the initial weights, the order of the images, t and the noise."""
    precision: Annotated[str, OneOf(names.PRECISIONS)] = "fp32"
    """Precision of the network's forward pass; everything else stays in float32."""
    ema_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.9999,)
    """Rates of the moving averages of the weights; the first one is sampled by default."""
    ema_warmup: bool = True
    """Ramp the EMA rates up from 0.2, so that early weights fade."""
    log_every: Positive = 100
    """Steps between lines of metrics.jsonl."""
    sample_every: Count = 5000
    """Steps between preview grids; 0 makes one at the end only."""
    checkpoint_every: Positive = 5000
    """Steps between checkpoints; one is also written with each preview grid."""
    keep_checkpoints: Positive = 3
    """How many of the newest checkpoints are kept."""
    tensorboard: bool = False
    """Also write the metrics for TensorBoard; needs the extra alphabar[tensorboard]."""

    @model_validator(mode="after")
    def _consistent(self) -> "Training":
        if len(set(self.ema_rates)) < len(self.ema_rates):
            raise ValueError(f"training.ema_rates must differ from each other; they are {list(self.ema_rates)}")
        if not any((self.steps, self.images, self.epochs, self.minutes)):
            raise ValueError("Training never ends: set training.steps, .images, .epochs or .minutes")
        return self


class Sampling(Section):
    """The default way of sampling; the options of `alphabar sample` override it."""

    sampler: Annotated[str, OneOf(names.SAMPLERS)] = "dpmpp_2m_sde"
    """The sampler. The default was the best at few network calls where that was measured (docs/results/steps.md)."""
    steps: Respacing = None
    """Number of steps; none means the sampler's default (all T for ddpm). Or a respacing as in improved-diffusion:
    10,15,20 (steps per section), ddim50; or the timesteps themselves: t:1,5,9."""
    spacing: Annotated[Annotated[str, OneOf(names.SPACINGS)] | None, OrNone] = None
    """Which timesteps are visited, if steps is a number; none means the sampler's default."""
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


class Config(Section):
    """Every setting of a run."""

    data: Data = Data()
    network: Network = Network()
    diffusion: Diffusion = Diffusion()
    optimizer: Optimizer = Optimizer()
    training: Training
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
        steps, T = self.sampling.steps, self.diffusion.steps
        if isinstance(steps, int) and steps > T:
            raise ValueError(
                f"The chain has {T} steps (diffusion.steps), so sampling.steps, which is {steps}, must be set to 1..{T}"
            )
        if self.optimizer.decay != "constant" and not any(
            (self.training.steps, self.training.images, self.training.epochs)
        ):
            raise ValueError(
                f"A learning rate with optimizer.decay '{self.optimizer.decay}' needs to know the length of the run: "
                "set training.steps, .images or .epochs"
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
