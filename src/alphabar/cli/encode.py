"""`alphabar encode`: the noise that an image comes from."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o
from alphabar.terminal import say


def encode(
    run: o.Run,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help=editing.PICTURE)],
    steps: Annotated[str | None, typer.Option(help="Number of steps; 100 if left out.")] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Network calls per step: more decode more exactly.")] = 3,
    label: editing.Label = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    resize: o.Resize = "none",
    data: o.Data = None,
    data_root: o.DataRoot = None,
    out: Annotated[
        Path | None, typer.Option(help="The latents, a .safetensors; a file in RUN/edits if left out.")
    ] = None,
    device: o.Device = "auto",
) -> None:
    """Run DDIM backwards, from images to their x_T in 100 steps, and report how closely decoding reproduces each.

    Writes the latents for `alphabar decode`, and a picture: the images above the ones decoded from the latents.
    """
    from alphabar.api.latents import plan_encoding
    from alphabar.api.model import load
    from alphabar.editing.edit import file_name_part
    from alphabar.files import outputs

    model = load(run, weights=weights, step=step, device=device, data=data, data_root=data_root)
    plan = plan_encoding(
        model, images, iterations=iterations, label=label,
        resize=resize, **o.sampling(steps=steps),
    )  # fmt: skip
    more = f"-and-{len(plan.names) - 1}" if len(plan.names) > 1 else ""
    name, inputs = f"encode-{file_name_part(plan.names[0])}{more}", list(map(Path, images))
    path = editing.place(run, name, plan.settings, out, inputs, ".safetensors")
    picture = path.with_name(f"{path.stem}-decoded.png")  # never the name of an image that was encoded
    outputs.check(picture, outputs.EDIT, inputs)
    latents = plan.latents()
    latents.save(path)
    for name, error in zip(latents.names, latents.errors.tolist(), strict=True):
        say(f"{name:16}  decodes to within {100 * error:.2f} % of itself")
    say(f"latents   {path}")
    latents.decoded.save(picture)
    say(f"picture   {picture}")
