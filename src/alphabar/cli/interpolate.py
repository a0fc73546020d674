"""`alphabar interpolate`: the images between two images."""

from typing import Annotated

import typer

from alphabar import names
from alphabar.cli import editing
from alphabar.cli import options as o


def interpolate(
    run: o.Run,
    a: Annotated[str, typer.Argument(help=editing.PICTURE)],
    b: Annotated[str, typer.Argument(help="The other picture.")],
    t: Annotated[
        str | None,
        typer.Option("--t", help="Mix at this t, in 1..T; several, as 250,500, make a grid. T/2 if left out."),
    ] = None,
    points: Annotated[int, typer.Option(min=2, max=100, help="How many mixtures, λ = 0 and 1 included.")] = 9,
    mix: Annotated[
        str | None,
        typer.Option(help=f"{names.listed(names.MIXES)}; linear if left out, spherical for encoded latents."),
    ] = None,
    latents: Annotated[
        str,
        typer.Option(help="noised: q(x_t | x_0), as in the paper; encoded: by DDIM, so that the ends are the images."),
    ] = "noised",
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="The seed of the noise, which all mixtures share.")
    ] = 0,
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    eta: o.Eta = None,
    label: editing.Label = None,
    guidance: o.Guidance = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    resize: o.Resize = "none",
    data: o.Data = None,
    data_root: o.DataRoot = None,
    out: editing.Out = None,
    device: o.Device = "auto",
) -> None:
    """Mix two images at a noise level and denoise the mixtures (DDPM §4.4, Fig. 8 and 9).

    A row for each t: the first image, the mixtures from λ = 0 to 1, the second image.
    """
    from alphabar.api.edits import plan_interpolation
    from alphabar.api.model import load

    model = load(run, weights=weights, step=step, device=device, data=data, data_root=data_root)
    edit = plan_interpolation(
        model, a, b, t=t, points=points, mix=mix,
        latents=latents, seed=seed, label=label, resize=resize,
        **o.sampling(sampler=sampler, steps=steps, eta=eta, guidance=guidance),
    )  # fmt: skip
    editing.make(edit, run, out, a, b)
