"""The terms of the bound that `alphabar evaluate RUN --bpd` saved in a run."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alphabar.data import npz
from alphabar.data.files import UnreadableError
from alphabar.errors import AlphabarError
from alphabar.plots import Array
from alphabar.runs import bundled
from alphabar.runs.run import home


@dataclass(frozen=True)
class Terms:
    """The terms of N images: t (T,) ascending, prior (N,), terms (N, T) and x0_mse (N, T), column k of step t[k]."""

    path: Path
    t: Array
    prior: Array
    terms: Array
    x0_mse: Array

    @property
    def n(self) -> int:
        """The number of images."""
        return len(self.prior)


def newest_terms(run: Path) -> Terms:
    """The newest terms of a run, or those in a terms.npz; AlphabarError if there are none."""
    if run.suffix == ".npz":
        return _read(run)
    bundled.located(run)
    folder = home(run)
    paths = sorted(folder.glob("bits_per_dim/*/terms.npz"), key=lambda path: path.stat().st_mtime_ns)
    if not paths:
        command = f"alphabar evaluate {shlex.quote(str(run))} --bpd"
        raise AlphabarError(f"{folder} holds no terms of the bound; `{command}` measures them.")
    return _read(paths[-1])


def _read(path: Path) -> Terms:
    names = ("t", "prior", "terms", "x0_mse")
    try:
        stored = npz.arrays(path, names)
        made = Terms(path, *(stored[name].astype(np.float64) for name in names))
    except UnreadableError as error:
        raise _is_none(path, error.reason) from None
    except KeyError as error:
        raise _is_none(path, f"it has no array {error}") from None
    except ValueError:
        raise _is_none(path, "its arrays are not numbers") from None
    n, T = made.prior.size, made.t.size
    expected = {"t": (T,), "prior": (n,), "terms": (n, T), "x0_mse": (n, T)}
    for name, shape in expected.items():
        if getattr(made, name).shape != shape or 0 in shape:
            raise _is_none(path, f"its array {name} is {getattr(made, name).shape}")
    if not (np.diff(made.t) > 0).all() or not made.t[0] >= 1:
        raise _is_none(path, "its t do not increase from 1 or more")
    if not all(np.isfinite(array).all() for array in (made.prior, made.terms, made.x0_mse)) or (made.x0_mse < 0).any():
        raise _is_none(path, "its bits or errors are not finite, or an error is negative")
    return made


def _is_none(path: Path, reason: str) -> AlphabarError:
    return AlphabarError(f"{path} is not a terms.npz of `alphabar evaluate RUN --bpd`: {reason}.")
