"""`alphabar encode`: the noise that an image comes from."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o


def encode(
    run: o.Run,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help=editing.PICTURE)],
    steps: o.Steps = None,
    iterations: Annotated[int, typer.Option(min=1, help="Network calls per step: more come back more exactly.")] = 3,
    label: editing.Label = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    resize: o.Resize = "none",
    data_root: o.DataRoot = None,
    out: Annotated[
        Path | None, typer.Option(help="The latents, a .safetensors; a file in RUN/edits if left out.")
    ] = None,
    device: o.Device = "auto",
) -> None:
    """Run DDIM backwards, from images to their x_T in 100 steps, and say how near decoding comes to each.

    Writes the latents for `alphabar decode`, and a sheet: the images above what decoding makes of them.
    """
    import torch

    from alphabar.editing import edits, latents

    editor, pictures = editing.begin(
        run, images, o.given(sampler="ddim", eta=0.0, steps=steps, guidance_scale=1.0),
        label=label, weights=weights, step=step, resize=resize, data_root=data_root, device=device,
        usual_steps=100,
    )  # fmt: skip
    more = f"-and-{len(pictures) - 1}" if len(pictures) > 1 else ""
    what = {"encoded": [picture.name for picture in pictures], "iterations": iterations}
    path = editing.place(editor, f"encode-{pictures[0].name}{more}", what, out, ".safetensors")
    found = edits.encoded(editor, pictures, iterations)
    latents.save(path, found.latents, editor)
    for picture, error in zip(pictures, found.errors.tolist(), strict=True):
        typer.echo(f"{picture.name:16}  decodes to within {100 * error:.2f} % of itself")
    typer.echo(f"latents   {path}")
    sheet = torch.cat([torch.stack([picture.pixels for picture in pictures]), found.decoded])
    editing.finish(path.with_name(f"{path.stem}-decoded.png"), sheet, len(pictures), editor, what)
