"""The controls that choose a run and its class, and the form of sampling, for the tabs that sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from alphabar.app import forms
from alphabar.app.failures import said
from alphabar.app.generated import labels
from alphabar.app.offered import Models

LANE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
"""Events that compute with a network: one at a time, whoever asks."""
QUICK: dict[str, Any] = {"concurrency_id": "quick", "concurrency_limit": 4, "show_progress": "hidden"}
"""Events that read files alone."""


@dataclass(frozen=True)
class Pickers:
    """The controls of a run, a class, and some options of sampling."""

    run: gr.Dropdown
    label: gr.Dropdown
    options: dict[str, gr.components.Component]

    @property
    def inputs(self) -> list[gr.components.Component]:
        """Run, class, then each option."""
        return [self.run, self.label, *self.options.values()]

    def values(self, given: Sequence[Any]) -> dict[str, Any]:
        """The option values of an event, by name."""
        return dict(zip(self.options, given, strict=True))


def run_picker(models: Models, label: str = "Model", first: str | None = None) -> gr.Dropdown:
    """A list of the offered runs. first: the one that is chosen at the start."""
    info = "A run that you trained, or a model that comes with alphabar."
    return gr.Dropdown(models.names, value=first or models.names[0], label=label, info=info)


def pickers(models: Models, options: Sequence[str], first: Sequence[str], has_each: bool = True) -> Pickers:
    """The controls; options that are not in `first` are folded away, and a sampler shows only those that it has.

    has_each: whether each class in turn is a choice.
    """
    run = run_picker(models)
    label = gr.Dropdown(
        _labels(models, has_each), label="Class", info="What the images are to show, if the model knows classes."
    )
    shown = {name: forms.control(name) for name in options if name in first}
    with gr.Accordion("More options", open=False):
        shown |= {name: forms.control(name) for name in options if name not in first}
    made = Pickers(run, label, {name: shown[name] for name in options})
    _follow(models, made, has_each)
    return made


def _labels(models: Models, has_each: bool) -> list[str]:
    """The classes of the first model, if it can be loaded already."""
    try:
        return labels(models.model(models.names[0]), has_each)
    except ValueError:
        return []


def _follow(models: Models, made: Pickers, has_each: bool) -> None:
    """A new run brings its classes, and a sampler its options."""

    @said
    def classes(run: str) -> Any:
        several = labels(models.model(run), has_each)
        return gr.Dropdown(several, value=several[0])

    made.run.change(classes, made.run, made.label, api_name=False, **QUICK)
    dependent = [name for name in made.options if name != "sampler"]
    if "sampler" not in made.options:
        return

    @said
    def fields(run: str, sampler: str) -> Any:
        name = models.model(run).config.sampling.sampler if sampler == forms.OWN else sampler
        return [_shown(option, forms.is_of(option, name)) for option in dependent]

    arguments: tuple[Callable[..., Any], Any, Any] = (
        fields, [made.run, made.options["sampler"]], [made.options[name] for name in dependent]
    )  # fmt: skip
    for event in (made.run.change, made.options["sampler"].change):
        event(*arguments, api_name=False, **QUICK)


def _shown(option: str, is_shown: bool) -> Any:
    """An option that is hidden goes back to the model's own."""
    return gr.update(visible=True) if is_shown else gr.update(visible=False, value=forms.empty(option))
