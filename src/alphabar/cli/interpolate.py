"""`alphabar interpolate`: the images between two images."""

from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o
from alphabar.errors import AlphabarError


def interpolate(
    run: o.Run,
    a: Annotated[str, typer.Argument(help=editing.PICTURE)],
    b: Annotated[str, typer.Argument(help="The other one.")],
    t: Annotated[
        str | None,
        typer.Option("--t", help="Mix at this t, in 1..T; several, as 250,500, make a grid. T/2 if left out."),
    ] = None,
    points: Annotated[int, typer.Option(min=2, max=100, help="How many mixtures, the ends λ = 0 and 1 included.")] = 9,
    mix: Annotated[
        str | None,
        typer.Option(help="linear (the paper's), variance_preserving or spherical (of encoded latents, if left out)."),
    ] = None,
    latents: Annotated[
        str, typer.Option(help="noised: q(x_t | x_0), as in the paper; encoded: by DDIM, so that the ends come back.")
    ] = "noised",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the noise, the same for all mixtures.")] = 0,
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    eta: o.Eta = None,
    label: editing.Label = None,
    guidance: o.Guidance = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    resize: o.Resize = "none",
    data_root: o.DataRoot = None,
    out: editing.Out = None,
    device: o.Device = "auto",
) -> None:
    """Mix two images at a noise level and denoise the mixtures (DDPM §4.4, Fig. 8 and 9).

    A row for each t: the first image, the mixtures from λ = 0 to 1, the second image.
    """
    from alphabar.editing import edits

    if latents not in edits.LATENTS:
        raise AlphabarError(f"--latents is noised or encoded; got '{latents}'.")
    mix = mix or ("spherical" if latents == "encoded" else "linear")
    changes = o.given(sampler=sampler, steps=steps, eta=eta, guidance_scale=guidance)
    if latents == "encoded":
        if unused := o.given(sampler=sampler, eta=eta, guidance=guidance):
            flags = ", ".join(f"--{name}" for name in unused)
            raise AlphabarError(f"Encoded latents are encoded and decoded by DDIM without noise; leave out {flags}.")
        changes |= {"sampler": "ddim", "eta": 0.0, "guidance_scale": 1.0}
    editor, (first, second) = editing.begin(
        run, [a, b], changes,
        label=label, weights=weights, step=step, resize=resize, data_root=data_root, device=device,
        usual_steps=100 if latents == "encoded" else None,
    )  # fmt: skip
    levels = editing.times(t, [max(1, editor.T // 2)])
    what = {
        "interpolated": [first.name, second.name], "t": levels, "points": points, "mix": mix, "latents": latents,
        "seed": seed,
    }  # fmt: skip
    path = editing.place(editor, f"interpolate-{first.name}-{second.name}", what, out)
    sheet = edits.interpolated(editor, first, second, levels, points, mix, latents, seed)
    editing.finish(path, sheet, points + 2, editor, what)
