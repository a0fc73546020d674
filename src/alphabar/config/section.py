"""Section: a frozen group of settings."""

import ast
import inspect
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A frozen group of settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

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

    @classmethod
    def docs(cls) -> dict[str, str]:
        """The text below each setting, by name; read when it is asked for, because most commands do not need it."""
        (body,) = (node.body for node in ast.parse(inspect.getsource(cls)).body if isinstance(node, ast.ClassDef))
        return {
            setting.target.id: inspect.cleandoc(text.value.value)
            for setting, text in pairwise(body)
            if isinstance(setting, ast.AnnAssign)
            and isinstance(setting.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
