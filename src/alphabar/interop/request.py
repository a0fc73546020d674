"""What is to be imported, and what is said about it beside the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.interop import hub, tensors


@dataclass(frozen=True)
class Request:
    """A file or folder of a foreign model.

    format: its name in FORMATS; None to find it out. overrides: "section.key": value, where the file does not say, or
    is to be read otherwise. new_attention_order: guided-diffusion's `use_new_attention_order`; None if not said.
    """

    path: Path
    format: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    new_attention_order: bool | None = None

    @classmethod
    def of(
        cls,
        source: str | Path,
        format: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        new_attention_order: bool | None = None,
    ) -> "Request":
        """The request for `source` as it is named: a path, or "hf:owner/name", which is fetched."""
        is_on_hub = hub.is_on_hub(str(source))
        place = hub.fetched(str(source)) if is_on_hub else Path(source)
        if is_on_hub and hub.is_run(place):
            raise AlphabarError(f"{source} is a run of alphabar; fetch it with `alphabar pull {source} FOLDER`.")
        return cls(place, format, overrides or {}, new_attention_order)

    def said(self, otherwise: Mapping[str, Any]) -> c.Config:
        """A config of the overrides among `otherwise`, and its values for the others; all else has no meaning."""
        chosen = {key: self.overrides.get(key, value) for key, value in otherwise.items()}
        return c.parse(c.merge({"training": {"steps": 1}}, chosen))

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of the file, read once."""
        return self._tensors

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        return tensors.read(self.path)
