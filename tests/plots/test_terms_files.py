"""A terms.npz of `alphabar evaluate RUN --bpd` is read with care: files are copied, cut and made by others."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from alphabar.errors import AlphabarError
from alphabar.figures.terms import newest_terms

GOOD = {
    "t": np.arange(1, 6), "image": np.arange(3), "prior": np.zeros(3), "terms": np.ones((3, 5)),
    "x0_mse": np.ones((3, 5)), "eps_mse": np.ones((3, 5)),
}  # fmt: skip
DAMAGED = {
    "no images": {"prior": np.zeros(0), "terms": np.zeros((0, 5)), "x0_mse": np.zeros((0, 5))},
    "no steps": {"t": np.zeros(0), "terms": np.zeros((3, 0)), "x0_mse": np.zeros((3, 0))},
    "a scalar": {"t": np.array(3)},
    "fewer columns": {"terms": np.ones((3, 4))},
    "errors of another shape": {"x0_mse": np.ones((5, 3))},
    "terms of one image": {"terms": np.ones(5)},
    "t that falls": {"t": np.arange(5, 0, -1)},
    "t from 0": {"t": np.arange(5)},
    "t that is NaN": {"t": np.full(5, np.nan)},
    "a term that is NaN": {"terms": np.full((3, 5), np.nan)},
    "an infinite prior": {"prior": np.full(3, np.inf)},
    "an error below 0": {"x0_mse": -np.ones((3, 5))},
    "words": {"prior": np.array(["a", "b", "c"])},
    "complex numbers": {"prior": np.zeros(3, complex)},
    "objects": {"prior": np.array([None, {}, []], object)},
}


def test_a_whole_file_is_read(tmp_path) -> None:
    np.savez(tmp_path / "terms.npz", **GOOD)
    made = newest_terms(tmp_path / "terms.npz")
    assert made.n == 3 and made.t.tolist() == [1, 2, 3, 4, 5] and made.terms.shape == (3, 5)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_of_other_arrays_is_a_sentence(damage, tmp_path) -> None:
    np.savez(tmp_path / "terms.npz", **GOOD | DAMAGED[damage])
    refused(tmp_path / "terms.npz")


@pytest.mark.parametrize("name", ["t", "prior", "terms", "x0_mse"])
def test_a_file_without_an_array_is_a_sentence(name, tmp_path) -> None:
    np.savez(tmp_path / "terms.npz", **{other: array for other, array in GOOD.items() if other != name})
    assert repr(name) in refused(tmp_path / "terms.npz")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_a_file_that_was_cut_is_a_sentence(share, tmp_path) -> None:
    file = io.BytesIO()
    np.savez(file, **GOOD)
    (tmp_path / "terms.npz").write_bytes(file.getvalue()[: int(share * len(file.getvalue()))])
    refused(tmp_path / "terms.npz")


def test_an_array_that_claims_more_than_it_holds_takes_no_memory(tmp_path) -> None:
    np.savez(tmp_path / "terms.npz", **GOOD)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 39,)})
    with zipfile.ZipFile(tmp_path / "large.npz", "w") as large, zipfile.ZipFile(tmp_path / "terms.npz") as small:
        for member in small.namelist():
            large.writestr(member, header.getvalue() if member == "prior.npy" else small.read(member))
    refused(tmp_path / "large.npz")


def test_a_single_array_is_no_terms(tmp_path) -> None:
    with (tmp_path / "terms.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    refused(tmp_path / "terms.npz")


def refused(path: Path) -> str:
    with pytest.raises(AlphabarError, match=r"is not a terms\.npz of") as caught:
        newest_terms(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
    return str(caught.value)
