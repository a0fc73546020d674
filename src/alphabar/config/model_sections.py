"""The sections that say what a model is: every setting, its type, its default and its limits."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from alphabar import names
from alphabar.config.one_of import OneOf
from alphabar.config.section import Section
from alphabar.config.values import (
    Background,
    ImageSize,
    Multipliers,
    OptionalCount,
    OptionalFloat,
    OptionalPath,
    OrNone,
    Positive,
    Rate,
    Side,
)


class Data(Section):
    """The images, where they are, and their size."""

    name: Annotated[str, OneOf(names.DATASETS)] = "digits"
    """The data set, or the kind of your own files at data.path: folder, archive, idx, npz or packed."""
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
    crop: Annotated[str, OneOf(names.POSITIONS)] = "centre"
    """The part of an image that resize=crop keeps. random keeps a larger part, of which each training batch sees other
    windows; evaluation sees the middle one."""
    crop_room: Annotated[float, Field(ge=1, le=4)] = 1.25
    """The sides of the part that crop=random keeps, as multiples of image_size."""
    holdout: Rate = 0.0
    """The share of the images that are the test split, where the source has none; which they are follows from what
    they show, not from their names."""
    background: Background = (0, 0, 0)
    """The colour behind transparent pixels and around padded images: white, "#ffffff" or [255, 255, 255]."""
    white: OptionalFloat = None
    """The stored level that is white, such as 4095; none means 255 of 8 bits, 65535 of 16 bits, and 1 of floats."""
    jpeg_without_end: bool = False
    """Use JPEGs that lack only the marker that ends them."""
    horizontal_flip: bool = False
    """Mirror every image with probability 1/2."""
    augment: Rate = 0.0
    """Probability of each random transformation of a training image (EDM used 0.12 to 0.15): flip, scale, rotation,
    stretch, shift. The network is told how, and so samples none of them; this holds for mirrored images too."""

    @model_validator(mode="after")
    def _crops(self) -> "Data":
        if self.crop != "centre" and self.resize != "crop":
            raise ValueError(f"data.crop={self.crop} needs data.resize=crop; data.resize is {self.resize}")
        return self


class Network(Section):
    """The network: a U-Net."""

    name: Annotated[str, OneOf(names.NETWORKS)] = "unet"
    """unet is that of the papers; noisenet is a tutorial's, with blocks that normalize after each convolution."""
    preset: Annotated[str, OneOf(names.PRESETS)] = "ddpm"
    """The published U-Net whose embedding, conditioning, padding, heads and initialisation are used."""
    channels: Side = 128
    """Channels of the finest level."""
    channel_mult: Multipliers = (1, 2, 2, 2)
    """Channels of each level, as multiples of network.channels; each level halves the image."""
    num_blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks per level on the way down; one more on the way up (as many in noisenet)."""
    attention_resolutions: tuple[Positive, ...] = (16,)
    """Levels whose shorter side is one of these have attention; the middle block always has."""
    dropout: Rate = 0.0
    """Dropout probability in every residual block."""
    class_conditional: bool = False
    """Condition the network on each image's class; needs labelled images."""
    label_dropout: Rate = 0.0
    """Probability that a training image's class is dropped, so that the network learns p(x) too; guidance needs it."""
    low_resolution: ImageSize = None
    """(height, width), or one number for both, of the small image that an upsampler enlarges to data.image_size; none
    is a network that starts from noise alone."""
    fourier_periods: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Periods, in grey levels, of sines and cosines of the image that the network is given beside it, for a better
    likelihood (Kingma et al. 2021 have 1 and 0.5)."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    heads: OptionalCount = None
    """Attention heads, equal at every level; none means the preset's (ddpm 1, iddpm 4; noisenet 4)."""
    head_channels: OptionalCount = None
    """Channels of an attention head, in place of a number of heads; none means the preset's (adm 64). In noisenet the
    two are independent, and none means 32."""
    conditioning: Annotated[Literal["add", "scale_shift"] | None, OrNone] = None
    """How a block uses the embedding: add it, or scale and shift its second norm; none means the preset's."""
    resampling: Annotated[Literal["conv", "block"] | None, OrNone] = None
    """Between levels: a convolution, or a residual block that halves or doubles (adm); none means the preset's."""
    downsample_padding: Annotated[Literal["same", "symmetric"] | None, OrNone] = None
    """Padding of the strided convolution: below and right (same), or on all sides; none means the preset's."""
    sinusoid: Annotated[Literal["sin_cos", "cos_sin"] | None, OrNone] = None
    """Which half of the time embedding is first; none means the preset's."""
    frequency_shift: Annotated[Literal[0, 1] | None, OrNone] = None
    """The frequencies of the time embedding are 10000^(-j / (half - shift)); none means the preset's."""
    time_channels: OptionalCount = None
    """Width of the sinusoid of the time; none means network.channels."""
    norm_eps: OptionalFloat = None
    """ε of every group normalization; none means the preset's."""
    norm_groups: OptionalCount = None
    """Groups of every group normalization; none means 32, or fewer where the channels do not allow it (noisenet 4)."""
    as_listed: bool = False
    """noisenet with two slips of its published listing: attention replaces the features instead of being added to them,
    and network.channels stands for the finest resolution in network.attention_resolutions."""

    @model_validator(mode="after")
    def _of_this_network(self) -> "Network":
        if self.as_listed and self.name != "noisenet":
            raise ValueError(f"network.as_listed is of noisenet; network.name is {self.name}")
        if self.name == "noisenet" and self.preset != "ddpm":
            raise ValueError(f"network.preset={self.preset} is a U-Net; noisenet has no presets, so leave it out")
        for key in ("conditioning", "resampling", "downsample_padding", "low_resolution", "fourier_periods"):
            if self.name == "noisenet" and getattr(self, key):
                raise ValueError(f"network.{key} is of the U-Net; noisenet has only one way, so leave it out")
        return self


class Diffusion(Section):
    """The forward process, and how the network's output is read."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """T, the number of steps of the forward process."""
    schedule: Annotated[str, OneOf(names.SCHEDULES)] = "linear"
    """The noise schedule: how ᾱ_t falls from 1 to about 0."""
    betas: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...] | None, OrNone] = None
    """β_1..β_T in place of the schedule's, for a chain that has no name here, as that of an imported model."""
    log_snr: tuple[float, float] = (13.3, -5.0)
    """log(ᾱ_t / (1 - ᾱ_t)) at t = 1 and at t = T, of the schedule log_snr."""
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
    """How training samples t: uniformly, spread evenly over each batch, in proportion to the bound's terms, or from a
    learned density that makes the loss scatter least."""

    @model_validator(mode="after")
    def _as_many_betas(self) -> "Diffusion":
        if self.betas is not None and len(self.betas) != self.steps:
            raise ValueError(f"diffusion.betas has {len(self.betas)} values; {self.steps} steps need one each")
        return self

    @model_validator(mode="after")
    def _falls(self) -> "Diffusion":
        first, last = self.log_snr
        if not 30 >= first > last >= -30:
            raise ValueError(f"diffusion.log_snr must fall, within 30 to -30; it is {first:g}, {last:g}")
        if self.log_snr != type(self).model_fields["log_snr"].default and self.schedule != "log_snr":
            raise ValueError(f"diffusion.log_snr is of the schedule log_snr; diffusion.schedule is {self.schedule}")
        return self
