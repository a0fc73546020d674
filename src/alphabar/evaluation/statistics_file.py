"""Means and covariances in files: `mu` and `sigma` in an .npz, as pytorch-fid, EDM and guided-diffusion keep them.

Our own files also name their extractor, so that they cannot be mistaken for another's.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alphabar.data import npz
from alphabar.data.files import UnreadableError, open_regular
from alphabar.errors import AlphabarError
from alphabar.files.outputs import STATISTICS, written
from alphabar.images import mark_archive
from alphabar.metrics import Extractor, Moments


@dataclass(frozen=True)
class Statistics:
    """The moments of a reference, and the extractor that made them, if the file names it."""

    moments: Moments
    extractor: str | None
    weights_sha256: str | None
    file_sha256: str


def array_names(path: Path) -> set[str]:
    """The names of the arrays in an .npz; empty for any other file."""
    try:
        with open_regular(path) as file:
            return {item.filename.removesuffix(".npy") for item in zipfile.ZipFile(file).infolist()}
    except (UnreadableError, OSError, zipfile.BadZipFile):
        return set()


def read_statistics(path: Path) -> Statistics:
    """The statistics at `path`; AlphabarError unless they are a mean and a covariance."""
    stored = npz.arrays(path, ("mu", "sigma", "n", "extractor", "weights_sha256"))
    if not {"mu", "sigma"} <= {*stored}:
        raise AlphabarError(f"{path} holds {', '.join(stored) or 'no array'}; statistics are mu and sigma.")
    mu, sigma = stored["mu"], stored["sigma"]
    fits = mu.ndim == 1 and len(mu) > 0 and sigma.shape == (len(mu), len(mu))
    if not fits or not {mu.dtype.kind, sigma.dtype.kind} <= set("fiu"):
        raise AlphabarError(
            f"{path} holds mu {mu.dtype} {mu.shape} and sigma {sigma.dtype} {sigma.shape}; right would be numbers (D,) "
            "and (D, D)."
        )
    moments = Moments(_count(path, stored), *(torch.from_numpy(array.astype(np.float64)) for array in (mu, sigma)))
    _check_covariance(path, moments)
    made_by = {name: str(stored[name]) for name in ("extractor", "weights_sha256") if name in stored}
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Statistics(moments, made_by.get("extractor"), made_by.get("weights_sha256"), sha256)


def _count(path: Path, stored: Mapping[str, npt.NDArray[Any]]) -> int:
    """The number of images; 0 if the file does not state it."""
    if "n" not in stored:
        return 0
    n = stored["n"]
    if n.size != 1 or n.dtype.kind not in "iu" or n.item() < 1:
        raise AlphabarError(f"The n in {path} is {str(n)[:60]}; right would be the number of images.")
    return int(n.item())


def _check_covariance(path: Path, moments: Moments) -> None:
    mu, sigma = moments.mean, moments.cov
    if not (mu.isfinite().all() and sigma.isfinite().all()):
        raise AlphabarError(f"The mu or sigma in {path} holds NaN or infinity; right would be finite numbers.")
    slack = 1e-6 * float(sigma.diagonal().abs().max())
    if (sigma - sigma.T).abs().max() > slack or torch.linalg.eigvalsh(sigma).min() < -slack:
        raise AlphabarError(
            f"The sigma in {path} is no covariance; right would be symmetric, with no variance below 0."
        )


def write_statistics(path: Path, moments: Moments, extractor: Extractor) -> None:
    """Write the moments, for us and for pytorch-fid and EDM, which read `mu` and `sigma` and ignore the rest."""
    with written(path, STATISTICS) as file:
        np.savez(
            file,
            mu=moments.mean.cpu().numpy(),
            sigma=moments.cov.cpu().numpy(),
            n=np.array(moments.n),
            extractor=np.array(extractor.name),
            weights_sha256=np.array(extractor.weights_sha256),
        )
        mark_archive(file, STATISTICS)


def check_fits(statistics: Statistics, extractor: Extractor, path: str) -> None:
    """AlphabarError if the statistics are another extractor's, as far as the file shows."""
    theirs = (statistics.extractor, statistics.weights_sha256)
    if None not in theirs and theirs != (extractor.name, extractor.weights_sha256):
        raise AlphabarError(
            f"{path} holds statistics of {theirs[0]} (sha256 {str(theirs[1])[:12]}), not of {extractor.name} "
            f"(sha256 {extractor.weights_sha256[:12]}); give --features {theirs[0]} or another --reference."
        )
    if len(statistics.moments.mean) != extractor.dim:
        raise AlphabarError(
            f"{path} holds statistics of {len(statistics.moments.mean)} features, and {extractor.name} has "
            f"{extractor.dim}; name the extractor that made them with --features."
        )
