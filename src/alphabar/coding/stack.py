"""A stack of bits that symbols are pushed onto and popped from: asymmetric numeral systems, by `constriction`.

To push a symbol of probability P adds −log₂ P bits. To pop one takes as many bits off, and when they are uniformly
random, the symbol is a sample of P. So what is popped can be pushed again, and the bits come back.
"""

import math
from decimal import Context, Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from alphabar.errors import AlphabarError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

WINDOW = 8.0
"""Half the width of what a Gaussian codes directly, in standard deviations; what is farther costs 32 bits more."""
MOST = 1 << 20
"""The largest half window, in steps of the grid: constriction gives each step at least 2⁻²⁴."""
FLOOR = 1e-3
"""The least standard deviation of a Gaussian, in steps of the grid: nearly all of it is in one step."""
_PRECISION = 24  # bits that a symbol takes at most
_STATE = 64  # bits of the coder's state
_HALF_WORD = 1 << 16
_DIGITS = Context(prec=40)


UNREPEATABLE = (
    "The images cannot be decoded here: this machine computes the network otherwise than the one that compressed them."
)


class ExhaustedError(Exception):
    """There are fewer bits on the stack than are to be popped."""


def _models() -> Any:
    try:
        import constriction
    except ImportError:
        raise AlphabarError('Compression needs constriction: pip install "alphabar[compression]".') from None
    return constriction.stream


class Noise:
    """P(n) ∝ exp(−n²/2σ²), a Gaussian in steps of a grid, cut off beyond WINDOW σ: a table, the same for all elements.

    It is made of products and one exponential that is rounded correctly, and so is equal on every machine.
    """

    def __init__(self, std: float) -> None:
        """std: in steps of the grid."""
        self.half = max(1, min(MOST, math.ceil(WINDOW * std)))
        ratio = float(_DIGITS.exp(_DIGITS.divide(-1, 2 * Decimal(max(std, FLOOR)) ** 2)))  # P(1) / P(0)
        ratios = ratio * np.cumprod(np.concatenate([[1.0], np.full(self.half - 1, ratio * ratio)]))  # P(n) / P(n − 1)
        right = np.cumprod(ratios)
        self.probabilities = np.concatenate([right[::-1], [1.0], right]) + 1e-12

    @cached_property
    def table(self) -> Any:
        """The model of constriction."""
        total = math.fsum(self.probabilities)  # exact, in whatever order
        return _models().model.Categorical(self.probabilities / total, lazy=False, perfect=False)


class Stack:
    """Bits, of which the last pushed is the first popped. All arrays are flat, and come back in their order."""

    def __init__(self, words: Words) -> None:
        """words: the stack of an earlier `words`, or random ones to begin with."""
        self._coder = _models().stack.AnsCoder(np.ascontiguousarray(words, dtype=np.uint32))

    @property
    def words(self) -> Words:
        """All bits, as 32-bit words; the last word is not 0."""
        return np.asarray(self._coder.get_compressed(), dtype=np.uint32)

    @property
    def bits(self) -> int:
        """How many bits lie on the stack."""
        return int(self._coder.num_bits())

    def copy(self) -> "Stack":
        """Another stack with the same bits."""
        return Stack(self.words)

    def whiten(self, key: int, count: int) -> None:
        """Make the bits uniformly random that `count` symbols will take; the same call again undoes it.

        What was pushed with probabilities that are wrong has left bits that are not, and noise made of these would not
        have its distribution: it would cost more than the bound (they must be clean: Townsend et al. 2019). An
        exclusive or with random bits that are always the same ones makes them so. The coder's state is left alone.
        """
        words = self.words.copy()
        end = len(words) - _STATE // 32
        start = max(0, end - count * _PRECISION // 32 - 1)
        if end > start:
            random = np.random.PCG64(key).random_raw((end - start + 1) // 2)
            words[start:end] ^= np.asarray(random).view(np.uint32)[: end - start]
            self._coder = _models().stack.AnsCoder(words)

    def pop_noise(self, noise: Noise, count: int) -> Ints:
        """Samples of a Gaussian around 0, in steps of the grid."""
        return self._pop(noise.table, count) - noise.half

    def push_noise(self, steps: Ints, noise: Noise) -> None:
        """What `pop_noise` gave; AlphabarError if it cannot have."""
        if np.abs(steps).max() > noise.half:
            raise AlphabarError(UNREPEATABLE)
        self._coder.encode_reverse((steps + noise.half).astype(np.int32), noise.table)

    def push_levels(self, levels: Ints, mean: Floats, std: Floats, top: int = 255) -> None:
        """Levels 0..top under Gaussians whose ends belong to levels 0 and top (DDPM Eq. 13); all in levels."""
        model = _models().model.QuantizedGaussian(0, top)
        self._coder.encode_reverse(levels.astype(np.int32), model, mean, np.maximum(std, FLOOR))

    def pop_levels(self, mean: Floats, std: Floats, top: int = 255) -> Ints:
        """What `push_levels` pushed."""
        model = _models().model.QuantizedGaussian(0, top)
        return self._pop(model, mean, np.maximum(std, FLOOR))

    def push_gaussians(self, steps: Ints, mean: Floats, std: Floats) -> None:
        """Integers under Gaussians; all in steps of the grid. An integer outside the window is an escape: the window's
        end, and then the distance from it.
        """
        centre, half, model = _window(mean, std)
        offset = steps - centre
        outside = np.abs(offset) >= half
        if outside.any():
            excess = np.abs(offset[outside]) - half
            if excess.max() >= _HALF_WORD**2:
                raise AlphabarError(
                    "The model's prediction is too far from an image to be coded; it must be trained with these images."
                )
            self._push_half_words(np.concatenate([excess // _HALF_WORD, excess % _HALF_WORD]))
        self._coder.encode_reverse(
            np.clip(offset, -half, half).astype(np.int32), model, mean - centre, np.maximum(std, FLOOR)
        )

    def pop_gaussians(self, mean: Floats, std: Floats) -> Ints:
        """What `push_gaussians` pushed."""
        centre, half, model = _window(mean, std)
        offset = self._pop(model, mean - centre, np.maximum(std, FLOOR))
        outside = np.abs(offset) >= half
        if outside.any():
            high, low = np.split(self._pop_half_words(2 * int(outside.sum())), 2)
            offset[outside] += np.sign(offset[outside]) * (high * _HALF_WORD + low)
        return centre + offset

    def push_rows(self, symbols: Ints, table: Floats) -> None:
        """Symbols 0..K − 1, each with its own row of a table (N, K) of probabilities."""
        model = _models().model.Categorical(perfect=False)
        self._coder.encode_reverse(symbols.astype(np.int32), model, table)

    def pop_rows(self, table: Floats) -> Ints:
        """What `push_rows` pushed."""
        return self._pop(_models().model.Categorical(perfect=False), table)

    def _push_half_words(self, values: Ints) -> None:
        self._coder.encode_reverse(values.astype(np.int32), _models().model.Uniform(_HALF_WORD))

    def _pop_half_words(self, count: int) -> Ints:
        return self._pop(_models().model.Uniform(_HALF_WORD), count)

    def _pop(self, model: Any, *parameters: Any) -> Ints:
        """constriction goes on with zeros when the bits are at an end, and what it gives then cannot be pushed back."""
        symbols = np.asarray(self._coder.decode(model, *parameters), dtype=np.int64)
        if self.bits < _STATE:
            raise ExhaustedError
        return symbols


def _window(mean: Floats, std: Floats) -> tuple[Ints, int, Any]:
    """The nearest integer to each mean, half the width around it that is coded directly, and the model."""
    half = max(2, min(MOST, math.ceil(WINDOW * float(std.max()))))
    return np.rint(mean).astype(np.int64), half, _models().model.QuantizedGaussian(-half, half)
