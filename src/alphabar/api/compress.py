"""`alphabar.compress` and `decompress`: images into one file and back, exactly or nearly."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alphabar import images
from alphabar.api.foreign import is_foreign
from alphabar.api.model import Model, load, loaded
from alphabar.api.options import StrPath
from alphabar.coding import codec, container, losses, pictures
from alphabar.coding.header import Header, Lossy
from alphabar.coding.stack import Words
from alphabar.data.files import open_regular, read_whole
from alphabar.errors import AlphabarError, check_number, sentences
from alphabar.files import outputs
from alphabar.runs.model import LoadedModel
from alphabar.sampling.pipeline import Pipeline

STEPS, SPACING = 50, "half_log_snr"
"""The chain if none is named. Of the spacings, this one had the least bound at 25 and 50 steps of the bundled model."""
BATCH = 64
_MOST_BYTES = 1 << 33


@dataclass(frozen=True)
class Compressed:
    """A file of compressed images. Sizes in bytes."""

    file: Path
    count: int
    size: int
    """The size of the whole file."""
    payload: float
    """The size of the images alone, without their names and checksums."""
    values: int
    """The numbers that all images consist of: pixels times channels, without padding."""
    lossy: Lossy | None = None
    """What a lossy file keeps, and its error; None if the images come back exactly."""

    @property
    def bits_per_dim(self) -> float:
        """Bits of the images for each of their values."""
        return 8 * self.payload / self.values


@sentences()
def compress(
    model: Model | str | Path,
    sources: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    steps: int | str | None = None,
    spacing: str | None = None,
    label: str | int | None = None,
    batch_size: int | None = None,
    portable: bool = False,
    lossy: float | None = None,
) -> Compressed:
    """Images into the file `out`, a .abar, from which `decompress` makes the same pixels again, or nearly.

    The file is decoded as a test before it is written. A decoder must compute the network to the bit as here: the same
    torch, instructions and device; the number of threads is kept.

    portable: compute the network in float64, and round, so that any machine can decode the file.

    sources: image files and folders of them, no larger than the model's images.
    steps, spacing: the chain; 50 steps, even in log-SNR, if left out. More steps make a smaller file.
    label: the class of all images.
    batch_size: how many images are coded together at most; 64 if None.
    lossy: how much noise may be left in the pixels, as its standard deviation in grey levels (0–255), for a smaller
    file; the model takes part of it away, so the error is smaller. None: no loss.
    """
    source, file = loaded(model), Path(out)
    check_number("--batch-size", batch_size)
    paths = [Path(each) for each in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    if portable and lossy is not None:
        raise AlphabarError("A lossy file is decoded on a machine like this one only; leave out --portable or --lossy.")
    if file.suffix != container.SUFFIX:
        raise AlphabarError(f"The name of a compressed file ends in {container.SUFFIX}; got {file}.")
    outputs.check(file, outputs.COMPRESSED, paths, option="OUT")
    pipeline = coding_pipeline(source, steps, spacing, label)
    kept = None if lossy is None else losses.kept(pipeline.denoiser.schedule, lossy)
    pile = pictures.pile(paths, source.facts.shape, source.config.data.background)
    outputs.prepare(file.parent, option="OUT", path=file)
    encoded = codec.encode(pipeline, pile, batch_size or BATCH, "float64" if portable else "float32", kept)
    coded = losses.verified(pipeline, pile, encoded)
    raw = container.packed(coded.header, coded.words)
    container.unpacked(raw, str(file))
    with outputs.written(file, outputs.COMPRESSED) as target:
        target.write(raw)
    values = source.facts.shape[0] * sum(height * width for height, width in pile.sizes)
    return Compressed(file, len(pile), len(raw), coded.image_bits / 8, values, coded.header.lossy)


@sentences()
def decompress(
    file: StrPath,
    folder: StrPath,
    *,
    model: Model | str | Path | None = None,
    device: str = "auto",
    fill: str | None = None,
) -> list[Path]:
    """The images of a compressed file, as PNGs in `folder`; all of them, or none.

    model: the run, if it does not lie where it did when the file was made; it must have the same weights.
    fill: how the model fills in what a lossy file has left out: with the "mean", which has the least squared error, if
    None, or with a "sample", which looks more like the images that the model was trained on.
    """
    path, out = Path(file), Path(folder)
    header, words = _read(path)
    fill = losses.checked(fill, header, str(path))
    pipeline = _pipeline_of(header, path, model, device)
    targets = pictures.places(out, header.names)
    _check_folder(out)
    outputs.prepare(out, option="folder")
    sizes = header.sizes * header.count if len(header.sizes) == 1 else header.sizes
    with tempfile.TemporaryDirectory(dir=out, prefix=".alphabar-") as hidden:
        staged = [Path(hidden) / f"{k}.png" for k in range(header.count)]
        for numbers, batch in codec.decode(pipeline, header, words, bar="decompressing"):
            shown = losses.shown(pipeline, header, batch, numbers, fill)
            for k, image in zip(numbers, shown, strict=True):
                picture = pictures.without_padding(image, sizes[k])
                images.save_png(staged[k], picture, kind=outputs.DECOMPRESSED)
        for source, target in zip(staged, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    return targets


@sentences()
def loss_of(file: StrPath) -> Lossy | None:
    """What a compressed file has kept of its images, and the error of these; None if they come back exactly."""
    return _read(Path(file))[0].lossy


def _read(path: Path) -> tuple[Header, Words]:
    try:
        with open_regular(path) as file:
            raw = read_whole(file, _MOST_BYTES)
    except OSError as error:
        raise AlphabarError(f"{path} cannot be read ({error.strerror or error}).") from None
    return container.unpacked(raw, str(path))


def coding_pipeline(
    model: LoadedModel, steps: int | str | None = None, spacing: str | None = None, label: str | int | None = None
) -> Pipeline:
    """The chain that `compress` codes with."""
    return _pipeline(model, _chain(model, steps, spacing), label)


def _chain(model: LoadedModel, steps: int | str | None, spacing: str | None) -> dict[str, object]:
    """The settings of a chain; steps that are named have no spacing."""
    steps = min(STEPS, model.denoiser.schedule.T) if steps is None else steps
    is_number = isinstance(steps, int) or steps.isdecimal()
    return {"steps": steps, "spacing": spacing or (SPACING if is_number else None)}


def _pipeline(model: LoadedModel, settings: dict[str, object], label: str | int | None) -> Pipeline:
    if model.config.network.low_resolution is not None:
        raise AlphabarError(f"{model.path} is an upsampler, which codes no images without their small ones.")
    settings = {name: value for name, value in settings.items() if value is not None}
    plain = {"sampler": "ddpm", "precision": "fp32", "guidance_scale": 1.0}
    return Pipeline.of(model, plain | settings, "none" if label is None else model.label(label))


def _named(given: str | Path, header: Header, device: str) -> LoadedModel:
    """The weights of the named run that made a file; its newest ones if it does not hold these."""
    newest = load(given, device=device).loaded
    if newest.sha256 == header.weights_sha256 or is_foreign(given):
        return newest
    try:
        return load(given, weights=header.weights, step=header.step, device=device).loaded
    except AlphabarError:
        return newest


def _check_folder(folder: Path) -> None:
    """AlphabarError for a folder that holds anything but images that were decompressed."""
    outputs.check_folder(folder, "folder")
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and not outputs.is_ours(path, outputs.DECOMPRESSED):
            raise AlphabarError(f"{folder} holds {path.name}, which is no decompressed image; choose a new folder.")


def _pipeline_of(header: Header, path: Path, given: Model | str | Path | None, device: str) -> Pipeline:
    """The chain that made a file; AlphabarError if the model is another one."""
    if given is None and is_foreign(header.run):
        raise AlphabarError(f"{path} was made with {header.run}, which is no run; name where you have it with --model.")
    try:
        if given is None:
            model = load(header.run, weights=header.weights, step=header.step, device=device).loaded
        else:
            model = given.loaded if isinstance(given, Model) else _named(given, header, device)
    except AlphabarError as error:
        if given is not None:
            raise
        raise AlphabarError(f"{path} needs the model {header.run}, and: {error} Name it with --model.") from None
    if model.sha256 != header.weights_sha256:
        raise AlphabarError(
            f"{path} was made with other weights than those of {model.path}; name the run {header.run} with --model."
        )
    pipeline = _pipeline(model, {k: v for k, v in header.sampling.items() if k in codec.SETTINGS}, header.label)
    if pipeline.denoiser.schedule.timesteps[1:].tolist() != header.timesteps or model.facts.shape != header.shape:
        raise AlphabarError(
            f"{path} was made with another chain than that of {model.path}; use the alphabar that made it."
        )
    return pipeline
