"""The terms of the bound that `alphabar evaluate RUN --bpd` saved in a run."""

import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    try:
        with np.load(path) as arrays:
            return Terms(path, *(np.asarray(arrays[name], np.float64) for name in ("t", "prior", "terms", "x0_mse")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise AlphabarError(f"{path} is not a terms.npz of `alphabar evaluate RUN --bpd` ({error}).") from None
