"""A wrong name is answered with the right ones."""

import pytest

from alphabar.errors import AlphabarError
from alphabar.registry import look_up, unknown

SHAPES = {"circle": 1, "square": 2, "triangle": 3}


def test_look_up_returns_the_entry():
    assert look_up(SHAPES, "square", "shape") == 2


@pytest.mark.parametrize("typo, meant", [("sqare", "square"), ("triangel", "triangle"), ("cirle", "circle")])
def test_look_up_names_the_nearest(typo, meant):
    with pytest.raises(AlphabarError, match=f"There is no shape '{typo}'; did you mean '{meant}'"):
        look_up(SHAPES, typo, "shape")


@pytest.mark.parametrize("name", ["sqare", "zzz", ""])
def test_look_up_names_every_choice(name):
    with pytest.raises(AlphabarError, match=r"circle, square, triangle\.$"):
        look_up(SHAPES, name, "shape")


def test_look_up_does_not_guess_when_nothing_is_near():
    assert "did you mean" not in unknown("shape", "zzz", SHAPES)


def test_choices_are_sorted_whatever_the_registry_order():
    assert unknown("shape", "zzz", ["b", "c", "a"]).endswith("a, b, c.")


def test_the_error_is_a_value_error():
    assert issubclass(AlphabarError, ValueError)
