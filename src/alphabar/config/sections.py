"""The sections of a config: every setting, its type, its default and what it must not be.

The names offered by the `Literal`s are the keys of the registries; a test holds the two equal.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _none(value: object) -> object:
    return None if value == "none" else value


OptionalInt = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_none)]
OptionalFloat = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_none)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]
Level = Annotated[int, Field(ge=0, le=255)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A frozen group of settings that refuses unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def _respacing(value: object) -> object:
    value = _none(value)
    value = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(value, int) and value < 1:
        raise ValueError(f"Sampling takes at least 1 step; got {value}")
    return value


def _square(value: object) -> object:
    value = _none(value)
    if isinstance(value, str) and "x" in value:
        return value.split("x")
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


class Data(Section):
    """The images: which, from where, at what size."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "twemoji", "idx", "folder", "npz"] = "digits"
    path: OptionalPath = None
    """A folder or file of one's own."""
    root: OptionalPath = None
    """Where the files of a published data set lie, if not in the cache."""
    split: Literal["train", "test"] = "train"
    """Which part of a published data set."""
    image_size: Annotated[tuple[Positive, Positive] | None, BeforeValidator(_square)] = None
    """(height, width), or one number for both; as the images are, if none."""
    channels: Annotated[Literal[1, 3, 4] | None, BeforeValidator(_none)] = None
    """1 grey, 3 RGB, 4 RGBA; if none, 1 when every image is grey, else 3."""
    resize: Literal["none", "crop", "pad", "stretch"] = "none"
    """How images of another size get there; nothing is squashed unless by stretch."""
    background: tuple[Level, Level, Level] = (0, 0, 0)
    """RGB behind transparent pixels and around padded images."""
    horizontal_flip: bool = False
    """Mirror every image with probability 1/2."""


class Network(Section):
    """The U-Net (fact sheet §2)."""

    name: Literal["unet"] = "unet"
    preset: Literal["ddpm", "iddpm"] = "ddpm"
    """Whose U-Net: its embedding, conditioning, padding, initialisation."""
    channels: Positive = 128
    """Of the finest level."""
    channel_mult: tuple[Positive, ...] = (1, 2, 2, 2)
    """Channels of each level, as a multiple; each level halves the image."""
    num_blocks: Positive = 2
    """Residual blocks per level on the way down; one more on the way up."""
    attention_resolutions: tuple[Positive, ...] = (16,)
    """Levels whose shorter side is among these attend; the middle always does."""
    dropout: Rate = 0.0
    class_conditional: bool = False
    """Tell the network each image's class; needs labelled images."""
    label_dropout: Rate = 0.0
    """How often a training image's class is withheld: then the network learns p(x) beside p(x|y), as guidance needs."""
    gradient_checkpointing: bool = False
    """Less memory, about a third more time."""


class Diffusion(Section):
    """The chain and what the network says about it."""

    steps: Positive = 1000
    """T."""
    schedule: Literal[
        "linear", "linear_raw", "quadratic", "constant", "jsd", "warmup10", "warmup50", "sigmoid", "cosine"
    ] = "linear"
    parameterization: Literal["eps", "x0", "mu", "v"] = "eps"
    variance: Literal["fixed_small", "fixed_large", "learned", "learned_range"] = "fixed_large"
    """Of the reverse step: the posterior's, β_t (best with all T steps, bad with few), or the network's own: as it is,
    or between those two (Improved DDPM)."""
    x0_transform: Literal["none", "clip", "dynamic"] = "clip"
    """What is done to a predicted image before it is used."""
    time_scale: Annotated[float, Field(gt=0)] = 1.0
    """Multiplies the step that the network is told (1000/T for OpenAI's rescaled time)."""
    objective: Literal["simple", "vlb", "hybrid"] = "simple"
    """The squared error, the variational bound, or both (a learned variance needs one of the last two)."""
    vlb_weight: OptionalFloat = None
    """λ, of the whole bound: 0.001 in hybrid and 1 in vlb if none. OpenAI's unrescaled losses are 1/T."""
    weighting: Literal["none", "min_snr", "p2"] = "none"
    """Of the squared error over t."""
    min_snr_gamma: Annotated[float, Field(gt=0)] = 5.0
    """min_snr: the largest weight of an error in the image."""
    p2_gamma: Annotated[float, Field(ge=0)] = 1.0
    """p2: how strongly nearly clean images are weighed down."""
    p2_k: Annotated[float, Field(gt=0)] = 1.0
    """p2: keeps that from going to zero."""
    decoder: Literal["exact", "reference"] = "exact"
    """Of the pixels in the bound's last term: exact, or with the approximation behind the published numbers."""
    timestep_sampler: Literal["uniform", "antithetic", "loss_second_moment"] = "uniform"
    """How t is drawn: independently, evenly within each batch, or by how large the bound's terms are."""


class Optimizer(Section):
    """Adam, and how its learning rate moves."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    betas: tuple[Rate, Rate] = (0.9, 0.999)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled (AdamW) if positive."""
    warmup_steps: Count = 0
    """Steps over which the learning rate rises linearly."""
    decay: Literal["constant", "cosine", "linear", "cooldown"] = "constant"
    """How the learning rate falls to 0 at the end: all along the run, or (cooldown) linearly over its last fifth."""
    clip_norm: OptionalFloat = 1.0
    """The largest global gradient norm."""


class Training(Section):
    """How long, in what pieces, and what is kept; whichever of steps, images, epochs, minutes comes first ends it."""

    steps: OptionalInt = None
    """Optimizer updates until the end."""
    images: OptionalInt = None
    """Images seen until the end."""
    epochs: OptionalFloat = None
    """Passes over the data until the end."""
    minutes: OptionalFloat = None
    """Minutes of training until the end, all sessions together."""
    batch_size: BatchSize = 128
    micro_batch_size: OptionalInt = None
    """Images per forward pass, if the batch does not fit; gradients are averaged."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the network's forward pass; everything else stays in float32."""
    ema_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.9999,)
    """The first is the one that samples are drawn from."""
    ema_warmup: bool = True
    """Whether the rates rise from 0.2 to what they are, so that the first weights are soon forgotten."""
    log_every: Positive = 100
    """Steps per line of metrics.jsonl."""
    sample_every: Count = 5000
    """Steps per sample grid; 0: only at the end."""
    checkpoint_every: Positive = 5000
    """Steps per checkpoint; one is written with each sample grid too."""
    keep_checkpoints: Positive = 3
    """How many of the newest stay."""

    @model_validator(mode="after")
    def _consistent(self) -> "Training":
        if len(set(self.ema_rates)) < len(self.ema_rates):
            raise ValueError(f"training.ema_rates must differ from each other; they are {list(self.ema_rates)}")
        if not any((self.steps, self.images, self.epochs, self.minutes)):
            raise ValueError("Training never ends: set training.steps, .images, .epochs or .minutes")
        return self


class Sampling(Section):
    """How images are drawn, unless `alphabar sample` is told otherwise."""

    sampler: Literal[
        "ddpm", "ddim", "euler", "heun", "dpmpp_2m", "dpmpp_2s", "dpmpp_2m_sde", "dpmpp_3m_sde", "unipc", "pndm"
    ] = "dpmpp_2m_sde"
    """The default was the best at few network calls where it was measured (docs/results/steps.md)."""
    steps: Annotated[int | str | None, BeforeValidator(_respacing)] = None
    """How many, the sampler's usual number if none (all T of ddpm); or, as improved-diffusion writes them: 10,15,20 (so
    many in each section), ddim50, or t:1,5,9 (those very ones)."""
    spacing: Annotated[
        Literal["uniform", "trailing", "leading", "quadratic", "half_log_snr", "karras"] | None, BeforeValidator(_none)
    ] = None
    """Which timesteps, if steps is a number; the sampler's usual ones if none."""
    eta: Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_none)] = None
    """The share of the reverse process's noise that ddim (0 if none) and the SDE samplers (1 if none) add."""
    order: Annotated[Literal[1, 2, 3] | None, BeforeValidator(_none)] = None
    """Of unipc; 2 if none."""
    churn: Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_none)] = None
    """EDM's S_churn, of euler and heun; 0 if none."""
    variance: Literal["model", "fixed_small", "fixed_large", "analytic"] = "model"
    """Of ddpm's steps: the model's own, another fixed one, or the best isotropic one, measured once on the training
    images."""
    guidance_scale: Annotated[float, Field(ge=0)] = 1.0
    """Of classifier-free guidance: 1 is off; needs a network trained with label_dropout."""
    guidance_interval: Annotated[tuple[Positive, Positive] | None, BeforeValidator(_none)] = None
    """The first and last t that are guided; all if none."""
    guidance_rescale: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far the contrast that guidance adds is taken back."""
    num: Positive = 64
    batch_size: BatchSize = 64


class Evaluation(Section):
    """Metrics while training, of images that the first EMA draws as [sampling] says, against the training images."""

    every: Count = 0
    """Steps per evaluation; 0: none."""
    count: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    """How many images are drawn; distances are comparable at equal counts only."""
    features: Literal["auto", "inception", "efficientnet-lite0", "fashion-cnn"] = "auto"
    """Whose features; auto: fashion-cnn for Fashion-MNIST, else inception."""
    extractor_weights: OptionalPath = None
    """Where its weights lie, if not where `alphabar data fetch` puts them."""
    metrics: Annotated[tuple[Literal["fd", "kid", "is", "pr", "coverage", "classes"], ...], Field(min_length=1)] = (
        "fd",
    )
    best: Literal["none", "fd", "kid", "score", "precision", "recall", "density", "coverage", "class_coverage"] = "none"
    """Keep the checkpoint that is best by this one, beside the newest; `--step best` names it."""


class Config(Section):
    """All of a run."""

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
                "network.label_dropout withholds classes, and the network is told none: "
                "set network.class_conditional=true"
            )
        if self.evaluation.best != "none" and not self.evaluation.every:
            raise ValueError("evaluation.best needs evaluations to choose by: set evaluation.every, in steps")
        steps, T = self.sampling.steps, self.diffusion.steps
        if isinstance(steps, int) and steps > T:
            raise ValueError(
                f"The chain has {T} steps (diffusion.steps), so sampling.steps must lie in 1..{T}; got {steps}"
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
    """What the data decided about the network: kept with the config in every checkpoint."""

    shape: tuple[Positive, Positive, Positive]
    """(C, H, W)."""
    class_names: tuple[str, ...]
    """Of the labels; empty without labels."""
    fingerprint: str
    """sha256 of the images and labels."""
