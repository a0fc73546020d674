"""Asks the page's server as a browser does."""

from typing import TYPE_CHECKING, Any

from alphabar.app import forms
from alphabar.app.generated import EACH

if TYPE_CHECKING:
    from gradio_client import Client

FORM = [forms.empty(name) for name in forms.names()]


def client(address: str) -> "Client":
    from gradio_client import Client  # not while tests are collected: it takes a second

    return Client(address, verbose=False)


def form(run: Any = "digits", label: Any = EACH, seeds: Any = "0-3", **values: Any) -> list[Any]:
    """The inputs of /generate."""
    options = dict(zip(forms.names(), FORM, strict=True)) | values
    return [run, label, seeds, *options.values()]


def endpoints(page: "Client") -> list[dict[str, Any]]:
    """Every event of the page, named or not."""
    return [each for each in page.config["dependencies"] if each["targets"]]
