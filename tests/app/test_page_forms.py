"""The form of sampling is made of the registries and the settings."""

from dataclasses import fields

import pytest

from alphabar import names
from alphabar.api.options import Options
from alphabar.app import forms
from alphabar.diffusion import SAMPLERS
from alphabar.errors import AlphabarError


def test_every_option_of_sampling_has_a_control_with_one_line_about_it() -> None:
    assert {*forms.names()} == {*Options.__annotations__} - {"batch_size"}
    for name in forms.names():
        control = forms.control(name)
        assert control.value == forms.empty(name) and "\n" not in control.info
        assert len(control.info) < 160 and control.info.endswith(".")


def test_the_choices_are_those_of_the_registries() -> None:
    assert tuple(forms.choices("sampler")) == names.SAMPLERS
    assert tuple(forms.choices("spacing")) == names.EVERY_SPACING
    assert forms.choices("order") == [1, 2, 3] and forms.choices("eta") == []


@pytest.mark.parametrize("sampler", names.SAMPLERS)
def test_a_sampler_shows_the_fields_of_its_dataclass(sampler: str) -> None:
    own = {field.name for field in fields(SAMPLERS[sampler])}
    for option in ("eta", "order", "churn"):
        assert forms.is_of(option, sampler) == (option in own)
    assert all(forms.is_of(option, sampler) for option in ("steps", "spacing", "guidance"))


def test_what_is_left_to_the_model_is_no_option() -> None:
    empty = {name: forms.empty(name) for name in forms.names()}
    assert forms.given(empty) == {}
    assert forms.given(empty | {"eta": "0.5", "steps": "10,5", "order": 2}) == {"eta": 0.5, "steps": "10,5", "order": 2}
    with pytest.raises(AlphabarError, match="Eta is a number; got 'half'"):
        forms.given({"eta": "half"})
