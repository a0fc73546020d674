"""`alphabar.interpolate`, `inpaint`, `vary`: edits of pictures, made at once."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from alphabar.api import edits
from alphabar.editing.edit import Edit
from alphabar.errors import sentences
from alphabar.sampling.samples import Images

P = ParamSpec("P")


def _made(plan: Callable[P, Edit], name: str) -> Callable[P, Images]:
    """The function that plans an edit and makes it at once."""

    @sentences()
    @wraps(plan)
    def edit(*args: P.args, **kwargs: P.kwargs) -> Images:
        return plan(*args, **kwargs).images()

    edit.__name__ = edit.__qualname__ = name
    edit.__annotations__["return"] = Images
    return edit


interpolate = _made(edits.plan_interpolation, "interpolate")
inpaint = _made(edits.plan_inpainting, "inpaint")
vary = _made(edits.plan_variation, "vary")
