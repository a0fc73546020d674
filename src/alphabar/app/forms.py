"""The form of sampling: a control for each of `alphabar.Options`, made from the settings' own texts and choices."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast, get_args

from alphabar import config as c
from alphabar.api.options import Options
from alphabar.config.one_of import choices as named
from alphabar.errors import AlphabarError
from alphabar.sampling.parts import options_of

if TYPE_CHECKING:
    from gradio.components import Component

OWN = "the model's own"
"""The choice that changes nothing."""
PLAIN = {
    "sampler": "The rule by which noise becomes an image.",
    "steps": "How often noise is removed. More steps take longer and are often better.",
    "guidance": "How strongly the class is followed: 1 is off, 2 to 4 are usual.",
}
FIRST = tuple(PLAIN)
"""What most people change; the others are folded away."""
_ELSEWHERE = ("batch_size",)
_TEXTS = ("steps", "guidance_interval")
"""Options that are written as a text: "10,15,20", "1-400"."""


def setting(option: str) -> str:
    """The setting of [sampling] that an option is."""
    return {"guidance": "guidance_scale"}.get(option, option)


def names() -> list[str]:
    """The options in the order of the form."""
    rest = [name for name in Options.__annotations__ if name not in (*FIRST, *_ELSEWHERE)]
    return [*FIRST, *rest]


def choices(option: str) -> list[Any]:
    """What an option can be chosen from: a registry's names, or a few numbers; empty for any number or text."""
    field = c.Sampling.model_fields[setting(option)]
    return [*dict.fromkeys(named([*field.metadata, field.annotation])), *_numbers(field.annotation)]


def _numbers(part: Any) -> Iterator[int]:
    """The whole numbers that an annotation admits one by one."""
    for inner in get_args(part):
        if isinstance(inner, int):
            yield inner
        else:
            yield from _numbers(inner)


def help_of(option: str) -> str:
    """What an option means: plain words for the first ones, for others the first sentence of the setting's text."""
    if option in PLAIN:
        return PLAIN[option]
    text = " ".join(c.Sampling.docs()[setting(option)].split())
    return text.split(". ")[0].rstrip(".") + "."


def is_of(option: str, sampler: str) -> bool:
    """Whether this sampler has the option."""
    if option == "variance":
        return sampler == "ddpm"
    own = setting(option) in {field for name in choices("sampler") for field in options_of(name)}
    return not own or (sampler in choices("sampler") and setting(option) in options_of(sampler))


def control(option: str, visible: bool = True) -> "Component":
    """The control of an option; empty, it leaves the option to the model."""
    import gradio as gr

    about = {"label": option.replace("_", " ").capitalize(), "info": help_of(option), "visible": visible}
    if several := choices(option):
        return gr.Dropdown([OWN, *several], value=OWN, **about)
    return gr.Textbox("", placeholder=OWN, max_lines=1, max_length=200, **about)


def empty(option: str) -> str:
    """The value of a control that leaves the option to the model."""
    return OWN if choices(option) else ""


def given(values: Mapping[str, Any]) -> Options:
    """The options that were set in the form; AlphabarError for a number that is none."""
    return cast(Options, {name: _value(name, value) for name, value in values.items() if value not in (None, "", OWN)})


def _value(option: str, value: Any) -> Any:
    if option in _TEXTS or choices(option):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        raise AlphabarError(f"{option.replace('_', ' ').capitalize()} is a number; got '{value}'.") from None
