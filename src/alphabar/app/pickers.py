"""The controls that choose a run and its class, and the form of sampling, for the tabs that sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from alphabar.app import forms
from alphabar.app.failures import said
from alphabar.app.generated import labels
from alphabar.app.offered import Models
from alphabar.errors import AlphabarError

LANE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
"""Events that compute with a network: one at a time, whoever asks."""
QUICK: dict[str, Any] = {"concurrency_id": "quick", "concurrency_limit": 4, "show_progress": "hidden"}
"""Events that read files alone."""


@dataclass(frozen=True)
class Choice:
    """The controls of a run and its class."""

    run: gr.Dropdown
    label: gr.Dropdown


def run_picker(models: Models, label: str = "Model", more: Sequence[str] = ()) -> gr.Dropdown:
    """A list of the offered runs. more: choices before them, the first of which is chosen at the start."""
    several = [*more, *models.names]
    info = "A run that you trained, or a model that comes with alphabar."
    return gr.Dropdown(several, value=several[0], label=label, info=info)


def run_and_class(models: Models, has_each: bool = True) -> Choice:
    """A run brings its classes. has_each: whether each class in turn is a choice."""
    run = run_picker(models)
    several = _labels(models, has_each)
    info = "What the images are to show, if the model knows classes."
    label = gr.Dropdown(several, value=next(iter(several), None), label="Class", info=info)

    @said
    def classes(run: str) -> Any:
        several = labels(models.model(run), has_each)
        return gr.Dropdown(several, value=several[0])

    run.change(classes, run, label, api_name=False, **QUICK)
    return Choice(run, label)


def _labels(models: Models, has_each: bool) -> list[str]:
    """The classes of the first run; none as long as it has no checkpoint."""
    try:
        return labels(models.model(models.names[0]), has_each)
    except AlphabarError:
        return []


def option_form(models: Models, run: gr.Dropdown) -> dict[str, gr.components.Component]:
    """A control for each option of sampling. Most are folded away, and those that the sampler lacks are hidden."""

    def is_shown(option: str, run: str, sampler: str) -> bool:
        return forms.is_of(option, _sampler(models, run) if sampler == forms.OWN else sampler)

    def control(name: str) -> gr.components.Component:
        return forms.control(name, is_shown(name, models.names[0], forms.OWN))

    made = {name: control(name) for name in forms.FIRST}
    with gr.Accordion("More options", open=False):
        made |= {name: control(name) for name in forms.names() if name not in made}
    dependent = [name for name in made if name != "sampler"]

    @said
    def fields(run: str, sampler: str) -> Any:
        models.path(run)
        return [_shown(option, is_shown(option, run, sampler)) for option in dependent]

    for event in (run.change, made["sampler"].change):
        event(fields, [run, made["sampler"]], [made[name] for name in dependent], api_name=False, **QUICK)
    return made


def _sampler(models: Models, run: str) -> str:
    """The sampler of a run's own settings; of one without a checkpoint, that of none."""
    try:
        return models.model(run).config.sampling.sampler
    except AlphabarError:
        return forms.OWN


def _shown(option: str, is_shown: bool) -> Any:
    """An option that is hidden goes back to the model's own."""
    return gr.update(visible=True) if is_shown else gr.update(visible=False, value=forms.empty(option))
