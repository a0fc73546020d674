"""`alphabar plot`: the papers' figures from our own numbers, which are written beside each picture.

To add a figure: a function in figures/ that returns it; its command here, or in plot_chains if it samples; a line in
FIGURES.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from alphabar import names
from alphabar.cli import options as o
from alphabar.cli.plot_chains import progressive, shared, skipped, steps
from alphabar.cli.plot_lossy import lossy
from alphabar.cli.plot_scaling import scaling
from alphabar.cli.plotting import Out, loaded, numbers, place, save
from alphabar.errors import AlphabarError
from alphabar.registry import unknown
from alphabar.terminal import say

if TYPE_CHECKING:
    from torch import Tensor


Measured = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Runs after `alphabar evaluate RUN --bpd`, or a terms.npz.")
]


def variances(
    steps: Annotated[str, typer.Option(help="Lengths T of the chain, a curve for each.")] = "100,1000,4000",
    schedule: Annotated[str, typer.Option(help="The noise schedule.")] = "linear",
    out: Out = None,
) -> None:
    """β̃_t/β_t over t/T for several T: where the two fixed variances differ (IDDPM Fig. 1)."""
    lengths = [int(T) for T in numbers("--steps", steps, int)]
    path = place("variances", out)
    from alphabar import figures

    save(figures.variances(lengths, schedule), path)


def schedules(
    steps: Annotated[int, typer.Option(min=21, help="The length T of the chain; linear needs more than 20.")] = 1000,
    out: Out = None,
) -> None:
    """ᾱ_t over t/T of every noise schedule, linear and cosine bold (IDDPM Fig. 5)."""
    path = place("schedules", out)
    from alphabar import figures

    save(figures.schedules(steps), path)


def forward(
    data: Annotated[str, typer.Option(help="A data set by name, a folder of images, or a file.")] = "digits",
    image: Annotated[int, typer.Option(min=0, help="Which image of it, from 0.")] = 0,
    steps: Annotated[int, typer.Option(min=21, help="The length T of the chain; linear needs more than 20.")] = 1000,
    columns: Annotated[int, typer.Option(help="How many times t = 0..T to show.")] = 9,
    image_size: o.ImageSize = None,
    resize: o.Resize = "none",
    data_root: o.DataRoot = None,
    out: Out = None,
) -> None:
    """The forward process on a real image, linear above cosine (IDDPM Fig. 3)."""
    size = o.parsed_size(image_size)
    source = None if data in names.PUBLISHED_DATA else Path(data)
    path = place("forward", out, *([source] if source else []))
    from alphabar import figures
    from alphabar.data import DataOptions, detect, load

    if source is not None and not source.exists():
        raise AlphabarError(f"There is no data set and no path '{data}'; `alphabar data list` lists the data sets.")
    options = DataOptions(path=source, data_root=data_root, image_size=size, resize=resize)
    images = load(data if source is None else detect(source), options).images
    save(figures.forward(_image(images, image), steps, columns), path)


def vlb(runs: Measured, out: Out = None) -> None:
    """The terms L_{t−1} of the bound over t, a curve per run (IDDPM Fig. 2)."""
    path = place("vlb", out, *filter(Path.is_file, runs))
    from alphabar import figures

    save(figures.vlb(runs), path)


def rate_distortion(runs: Measured, out: Out = None) -> None:
    """Bits that an image has cost over the reverse process, and its distortion so far (DDPM Fig. 5)."""
    path = place("rate-distortion", out, *filter(Path.is_file, runs))
    from alphabar import figures

    save(figures.rate_distortion(runs), path)


def gradient_noise(
    run: o.Run,
    batches: Annotated[int, typer.Option(min=1, help="How many batches of 32 gradients to measure, at least 8.")] = 32,
    weights: Annotated[str, typer.Option(help="raw, ema, or ema-RATE.")] = "raw",
    step: o.Step = None,
    data: o.Data = None,
    data_root: o.DataRoot = None,
    device: o.Device = "auto",
    out: Out = None,
) -> None:
    """Gradient noise of L_vlb with t sampled uniformly or by importance, at one checkpoint (IDDPM §3.3)."""
    path = place("gradient-noise", out)
    from alphabar import figures

    save(figures.gradient_noise(loaded(run, weights, step, device, data, data_root), batches), path)


def loss(
    runs: o.Runs,
    count: Annotated[int, typer.Option(min=2, help="Samples of image, t and noise for each point.")] = 64,
    split: Annotated[str, typer.Option(help="The split of the run's data: train or test.")] = "train",
    weights: o.Weights = "ema",
    step: o.Step = None,
    data: o.Data = None,
    data_root: o.DataRoot = None,
    device: o.Device = "auto",
    out: Out = None,
) -> None:
    """The squared error of the network's output over t, with its standard error, a curve per run."""
    path = place("loss", out)
    from alphabar import figures

    models = [loaded(run, weights, step, device, data, data_root) for run in runs]
    save(figures.loss(models, count, split), path)


FIGURES: dict[str, Callable[..., None]] = {
    "variances": variances,
    "schedules": schedules,
    "forward": forward,
    "vlb": vlb,
    "rate-distortion": rate_distortion,
    "lossy": lossy,
    "gradient-noise": gradient_noise,
    "skipped": skipped,
    "steps": steps,
    "scaling": scaling,
    "loss": loss,
    "progressive": progressive,
    "shared": shared,
}


class _Figures(TyperGroup):
    """The figures as commands; an unknown one is answered with the nearest name.

    Untyped, because typer's contexts have changed their module between versions.
    """

    def get_command(self, ctx, cmd_name):  # type: ignore[no-untyped-def]
        if cmd_name not in self.commands:
            raise AlphabarError(unknown("figure", cmd_name, FIGURES))
        return self.commands[cmd_name]


app = typer.Typer(cls=_Figures, no_args_is_help=True, help="Draw the papers' figures from our own code and models.")
for name, command in FIGURES.items():
    app.command(name)(command)


@app.command("list")
def list_() -> None:
    """List the figures."""
    width = max(map(len, FIGURES))
    for name, command in FIGURES.items():
        say(f"{name:{width}}  {(command.__doc__ or '').strip()}")


def _image(images: "Tensor", k: int) -> "Tensor":
    if k >= len(images):
        raise AlphabarError(f"--image must lie in 0..{len(images) - 1}, as there are {len(images):,} images; got {k}.")
    return images[k]
