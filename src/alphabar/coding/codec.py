"""Images <-> a header and one stack of bits for all of them.

The first images need bits that are popped before anything was pushed. These are the images' own checksums, which a
decoder finds at the bottom of the stack in the end. A batch is as large as the bits on the stack allow, so the first
ones are small.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from torch import Tensor

import alphabar
from alphabar.coding.chain import Chain, Watch
from alphabar.coding.dither import Dither
from alphabar.coding.grid import Grid
from alphabar.coding.header import Header, Lossy, Machine
from alphabar.coding.precision import Exact, Precision, Rounded, doubled
from alphabar.coding.prefix import Quantised, levels
from alphabar.coding.probe import probe, threads
from alphabar.coding.rounding import Rounding
from alphabar.coding.stack import UNREPEATABLE, ExhaustedError, Ints, Stack, Words
from alphabar.diffusion import Denoiser
from alphabar.errors import AlphabarError
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress

CHECKSUM_WORDS = 2
"""The words of each image's sha256 that are kept: its first 64 bits."""
SETTINGS = ("sampler", "steps", "spacing", "variance")
"""The settings of [sampling] that a chain depends on."""
_MARGIN = 1.1  # the stack holds this many times the bits that a batch pops on average; what fails needs as much more


@dataclass(frozen=True)
class Pile:
    """The images to be coded: their names, their sizes (H, W), and what reads some of them, by number, as uint8
    (N, C, H, W) of the model's shape.
    """

    names: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    read: Callable[[range], Tensor]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Coded:
    """The header and the stack; how many bits on it are images, and the checksums of these."""

    header: Header
    words: Words
    image_bits: int


@dataclass(frozen=True, eq=False)
class Coder:
    """A pipeline whose chain codes in a precision, from x_0 or, of a lossy file, from x_k of this level on."""

    pipeline: Pipeline
    precision: Precision
    level: int | None = None

    @classmethod
    def of(cls, pipeline: Pipeline, precision: Precision, lossy: Lossy | None) -> "Coder":
        """The coder of a pipeline as it samples."""
        level = lossy.level if lossy else None
        return cls(doubled(pipeline) if precision == "float64" else pipeline, precision, level)

    @cached_property
    def grid(self) -> Grid:
        """The grids of x_1, ..., x_T."""
        schedule = self.pipeline.denoiser.schedule
        return Grid(schedule if self.level is None else schedule.respace(levels(schedule, self.level)))

    @property
    def bits_popped(self) -> float:
        """The bits that an image needs on the stack: little that was pushed comes back before them."""
        dims = math.prod(self.shape)
        if self.level is None:
            return self.grid.bits_popped(dims)
        return self.grid.bits_popped(dims, 2) + self.grid.bits_popped(dims, 3)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.pipeline.model.facts.shape

    def denoiser(self, count: int) -> Denoiser:
        """The denoiser of a batch of so many images."""
        return self.pipeline.conditioned(self.pipeline.job(range(count)))

    def chain(self, count: int, rounding: Rounding) -> Chain:
        """The chain that codes a batch of so many images."""
        seen = Rounded(rounding) if self.precision == "float64" else Exact()
        denoiser = self.denoiser(count)
        if self.level is not None:
            denoiser = denoiser.respaced(levels(denoiser.schedule, self.level))
        return Chain(denoiser, self.grid, self.pipeline.model.device, seen)

    def coding(self, numbers: range, rounding: Rounding) -> Chain:
        """What codes the batch of these images."""
        chain = self.chain(len(numbers), rounding)
        if self.level is None:
            return chain
        return replace(chain, bottom=Quantised(self.dither(self.level), self.grid, numbers))

    def dither(self, level: int) -> Dither:
        """The quantiser of a lossy file."""
        return Dither.at(self.pipeline.denoiser.schedule, level)

    def coded(self, pile: Pile) -> Pile:
        """The pile of what is coded: of a lossy file, y in place of the images."""
        if self.level is None:
            return pile
        dither = self.dither(self.level)
        return replace(pile, read=lambda numbers: dither.quantised(pile.read(numbers), numbers))

    def probe(self, batches: Sequence[int]) -> str:
        """`probe` of the smallest and the largest of these batches; `Chain.digest` in float64, whatever they are."""
        if self.precision == "float64":
            return self.chain(1, Rounding({})).digest((1, *self.shape))
        sizes = sorted({min(batches), max(batches)})
        return probe(self.denoiser, sizes, self.shape, self.pipeline.model.device)


def encode(pipeline: Pipeline, pile: Pile, most: int, precision: Precision, lossy: Lossy | None = None) -> Coded:
    """The images of a pile in batches of at most `most`, on as many threads as torch has now."""
    coder = Coder.of(pipeline, precision, lossy)
    pile = coder.coded(pile)
    checksums, whole = _checksums(pile, most)
    random = 0
    while True:
        bottom = np.concatenate([checksums, _random_words(random)])
        stack = Stack(bottom)
        before = stack.bits
        try:
            with progress("compressing", len(pile)) as advance:
                stack, batches, ties = _pushed(coder, stack, pile, most, advance)
            break
        except ExhaustedError:  # by the first image, if there are few
            random = 2 * random or math.ceil(coder.bits_popped * _MARGIN / 32)
    header = Header(
        alphabar=alphabar.__version__,
        run=str(pipeline.model.path),
        weights=pipeline.model.weights,
        step=pipeline.model.step,
        weights_sha256=pipeline.model.sha256,
        sampling=pipeline.section.model_dump(mode="json", include=set(SETTINGS)),
        timesteps=pipeline.denoiser.schedule.timesteps[1:].tolist(),
        label=pipeline.label if isinstance(pipeline.label, int) else None,
        shape=coder.shape,
        names=list(pile.names),
        sizes=list(pile.sizes[:1] if len(set(pile.sizes)) == 1 else pile.sizes),
        batches=batches,
        words=len(bottom),
        precision=precision,
        ties=ties,
        machine=Machine.this(coder.pipeline.model.device.type),
        probe=coder.probe(batches),
        pixels=whole,
        lossy=lossy,
    )
    return Coded(header, stack.words, stack.bits - before)


def _pushed(
    coder: Coder, stack: Stack, pile: Pile, most: int, advance: Callable[[float], None]
) -> tuple[Stack, list[int], list[tuple[int, int, int]]]:
    """The stack with all images on it, the sizes of the batches, and the ties of `Header`; ExhaustedError if one image
    is too much for it.
    """
    per_image = max(1.0, coder.bits_popped * _MARGIN)
    batches, ties = list[int](), list[tuple[int, int, int]]()
    while (done := sum(batches)) < len(pile):
        size, after = most, None
        while after is None:
            size = int(max(1, min(size, len(pile) - done, stack.bits // per_image)))
            rounding = Rounding()
            after = _one_batch(coder, stack, pile, range(done, done + size), rounding, advance)
            if after is None:
                size, per_image = size - 1, per_image * _MARGIN
        stack = after
        ties += [(len(batches), call, int(place)) for call, places in rounding.ties.items() for place in places]
        batches.append(size)
    return stack, batches, ties


def _one_batch(
    coder: Coder, stack: Stack, pile: Pile, numbers: range, rounding: Rounding, advance: Callable[[float], None]
) -> Stack | None:
    """The stack with these images on it; None if it holds too few bits for so many, ExhaustedError if for one."""
    after = stack.copy()
    try:
        coding = coder.coding(numbers, rounding)
        coding.encode(after, pile.read(numbers), _share(advance, len(numbers), coding.levels))
    except ExhaustedError:
        if len(numbers) == 1:
            raise
        return None
    return after


def decode(pipeline: Pipeline, header: Header, words: Words, bar: str) -> Iterator[tuple[range, Tensor]]:
    """Batches of the images, from the last to the first: their numbers, and uint8 (N, C, H, W) of the model's shape; of
    a lossy file, int32 y.

    AlphabarError before the first one if this machine does not repeat what the header's computed, or after the last one
    if a checksum is wrong: nothing is to be believed before the end.
    """
    coder = Coder.of(pipeline, header.precision, header.lossy)
    kept = threads(header.machine.threads) if header.precision == "float32" else nullcontext()
    with kept, progress(bar, header.count) as advance:
        if coder.probe(header.batches) != header.probe:
            raise AlphabarError(f"{UNREPEATABLE} It was {_described(header.machine)}.")
        stack, last, ties = Stack(words), header.count, _ties(header)
        checksums = np.zeros((header.count, CHECKSUM_WORDS), dtype=np.uint32)
        for number, size in reversed([*enumerate(header.batches)]):
            numbers = range(last - size, last)
            coding = coder.coding(numbers, Rounding(ties.get(number, {})))
            try:
                images = coding.decode(stack, (size, *coder.shape), _share(advance, size, coding.levels))
            except (ExhaustedError, IndexError):
                raise AlphabarError(UNREPEATABLE) from None
            checksums[numbers.start : numbers.stop] = [_checksum(image) for image in images]
            last -= size
            yield numbers, images
    bottom = stack.words
    if len(bottom) != header.words or not np.array_equal(bottom[: checksums.size], checksums.flatten()):
        raise AlphabarError(UNREPEATABLE)


def _ties(header: Header) -> dict[int, dict[int, Ints]]:
    """The places of the ties, by batch and rounding."""
    found: dict[int, dict[int, list[int]]] = {}
    for batch, call, place in header.ties:
        found.setdefault(batch, {}).setdefault(call, []).append(place)
    return {batch: {call: np.array(places) for call, places in calls.items()} for batch, calls in found.items()}


def _share(advance: Callable[[float], None], size: int, levels: int) -> Watch:
    return lambda: advance(size / levels)


def _described(machine: Machine) -> str:
    return (
        f"{machine.processor} with {machine.instructions}, torch {machine.torch_version} on {machine.device}, "
        f"{machine.threads} thread{'s' * (machine.threads > 1)}"
    )


def _checksum(image: Tensor) -> Words:
    digest = hashlib.sha256(image.contiguous().numpy().tobytes()).digest()
    return np.frombuffer(digest[: 4 * CHECKSUM_WORDS], dtype="<u4")


def _checksums(pile: Pile, most: int) -> tuple[Words, str]:
    """The first words of each image's sha256, and the sha256 of all pixels."""
    whole, words = hashlib.sha256(), list[Words]()
    for start in range(0, len(pile), most):
        for image in pile.read(range(start, min(start + most, len(pile)))):
            whole.update(image.contiguous().numpy().tobytes())
            words.append(_checksum(image))
    return np.concatenate(words), whole.hexdigest()


def _random_words(count: int) -> Words:
    """Random words that are always the same."""
    return np.frombuffer(hashlib.shake_256(b"alphabar").digest(4 * count), dtype="<u4").astype(np.uint32)
