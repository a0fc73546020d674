"""Section: a frozen group of settings."""

from pydantic import BaseModel, ConfigDict, model_validator


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
