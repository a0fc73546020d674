"""Every error reaches the page as one sentence."""

from collections.abc import Iterator

import pytest

from alphabar.app.failures import said, sentence
from alphabar.diffusion.errors import DiffusionError
from alphabar.errors import AlphabarError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (AlphabarError("--guidance-interval is 1-2; leave --class out."), "guidance interval is 1-2; leave class out."),
        (AlphabarError("[sampling] eta is 2.", "sampling.steps is 3."), "eta is 2. steps is 3."),
        (DiffusionError("t must lie in 1..9."), "t must lie in 1..9."),
        (PermissionError(13, "Permission denied", "/secret"), "A file cannot be read or written: Permission denied."),
        (MemoryError(), "There is not enough memory; take fewer images at a time."),
        (RuntimeError("CUDA out of memory"), "There is not enough memory; take fewer images at a time."),
        (KeyError("/secret"), "A fault in alphabar (KeyError); the terminal of the page shows the details."),
    ],
)
def test_an_error_is_a_sentence_for_people(error: Exception, text: str) -> None:
    assert sentence(error) == text and "secret" not in text


def test_functions_and_generators_raise_it_where_it_happens() -> None:
    import gradio as gr

    def call(x: int) -> int:
        raise AlphabarError("<b> is wrong.")

    def frames(x: int) -> Iterator[int]:
        yield x
        raise KeyError("x")

    with pytest.raises(gr.Error) as error:
        said(call)(1)
    assert error.value.message == "&lt;b&gt; is wrong." and not error.value.print_exception
    steps = said(frames)(3)
    assert next(steps) == 3
    with pytest.raises(gr.Error, match="A fault in alphabar"):
        next(steps)
