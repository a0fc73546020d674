"""A model on its way in or out: its weights under our names, its settings, and what came along with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from alphabar import build
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.interop.keys import Sizes
from alphabar.networks import Style
from alphabar.networks.normalization import MOST_GROUPS, groups_of

Settings = dict[str, dict[str, Any]]
"""Settings by section, as a recipe has them."""


class SizeUnsaidError(AlphabarError):
    """A file does not say the size of its images."""


@dataclass(frozen=True)
class Portable:
    """A model as any format can hold it.

    record: where it came from, and what of its own settings has no counterpart here; it is written back.
    notes: sentences for the person who imports it: what the file did not say, and what is not used.
    """

    config: c.Config
    facts: c.ImageFacts
    tensors: Mapping[str, Tensor]
    step: int = 0
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> str:
        """The name of its weights in a run: those of its first average."""
        return f"ema-{self.config.training.ema_rates[0]}"


def settled(settings: Settings, overrides: Mapping[str, Any]) -> c.Config:
    """The config of these settings, with `overrides` ("section.key": value) in their place.

    AlphabarError if there can be no such model, which is said before its weights are read.
    """
    config = c.parse(c.merge(settings, overrides))
    build.denoiser(config, lambda x, *_: x)
    return config


def facts(config: c.Config, channels: int, classes: int, source: str) -> c.ImageFacts:
    """What is known of the images of a foreign model: their shape, and how many classes there are.

    Classes are named by their numbers. What the images were is not known, so they have no fingerprint.
    """
    assert config.data.image_size is not None, source
    names = tuple(map(str, range(classes - (config.network.label_dropout > 0) if classes else 0)))
    return c.ImageFacts(shape=(channels, *config.data.image_size), class_names=names, fingerprint="")


def sizes(config: c.Config, facts: c.ImageFacts) -> dict[str, Tensor]:
    """The names and shapes of our weights, without those that tell of an augmentation, which no other format has."""
    own = build.network_sizes(config, facts)
    return {name: tensor for name, tensor in own.items() if not name.startswith("embedding.augmentation.")}


def group_setting(groups: int, widths: Sequence[int]) -> int | None:
    """network.norm_groups for a network whose normalizations all have so many groups; None if that is our rule."""
    return None if groups == MOST_GROUPS and all(width % groups == 0 and width > groups for width in widths) else groups


def groups_in(own: Sizes, style: Style) -> set[int]:
    """The numbers of groups of the normalizations in a network of ours."""
    norms = [len(tensor) for name, tensor in own.items() if _is_norm(name)]
    return {style.norm_groups or groups_of(channels) for channels in norms}


def _is_norm(name: str) -> bool:
    *_, layer, kind = name.split(".")
    return layer.startswith("norm") and kind == "weight"
