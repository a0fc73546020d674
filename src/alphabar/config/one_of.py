"""A setting whose value is one of some names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class OneOf:
    """`Annotated[str, OneOf(names)]`: a string that is one of `names`."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema of a string, followed by the check of its value."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: str) -> str:
        if value not in self.names:
            raise PydanticCustomError("unknown_name", "It is none of the names", {"names": self.names})
        return value


def choices(parts: Iterable[Any]) -> Iterator[str]:
    """The values that type annotations admit by name, wherever in them they stand: those of OneOf and of Literal."""
    for part in parts:
        if isinstance(part, OneOf):
            yield from part.names
        elif isinstance(part, str):
            yield part
        else:
            yield from choices(get_args(part))
