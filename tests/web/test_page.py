"""The page as a visitor has it: an export of the bundled model, in Chromium and in node.

The page and the visit are made once. They need node, npm, the extra onnx and Chromium; a test that skips says what is
missing.
"""

import json
import os
import subprocess
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import alphabar
from alphabar.interop import web

pytestmark = pytest.mark.heavy
FIRST_LOAD = 9e6
FIRST_GARMENT = 3.0
REQUESTS = [
    {"sampler": "dpmpp_2m_sde", "steps": 5, "labels": [0, 7, 5], "guidance_scale": 1},
    {"sampler": "dpmpp_2m", "steps": 6, "labels": [9, 9, 9], "guidance_scale": 1},
    {"sampler": "ddim", "steps": 8, "labels": [3, 3, 3], "guidance_scale": 2.5},
    {"sampler": "heun", "steps": 4, "labels": [1, 1, 1], "guidance_scale": 1},
    {"sampler": "ddpm", "steps": 10, "labels": [4, 4, 4], "guidance_scale": 1.5},
]
SEEDS = [0, 7, 2**32 - 1]


def grey_levels(seeds: list[int], request: dict[str, Any]) -> torch.Tensor:
    """Python's images, (N, pixels)."""
    options = {"sampler": request["sampler"], "steps": request["steps"], "guidance": request["guidance_scale"]}
    model, pairs = alphabar.load("fashion-mnist"), zip(seeds, request["labels"], strict=True)
    images = [
        model.sample(seeds=[seed for seed, _ in some], label=label, **options).tensor
        for label, some in groupby(pairs, key=itemgetter(1))
    ]
    return torch.cat(images).flatten(1).int()


def grey(picture: Image.Image) -> list[int]:
    levels: list[int] = np.asarray(picture.convert("L")).flatten().tolist()
    return levels


def test_a_seed_is_pythons_image_to_one_grey_level(built: Path, node: str) -> None:
    requests = [{"seeds": SEEDS, **request} for request in REQUESTS]
    script = Path(__file__).with_name("images.mjs")
    run = subprocess.run(
        [node, str(script), str(web.PAGE), str(built)], input=json.dumps(requests), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    for request, answer in zip(REQUESTS, json.loads(run.stdout), strict=True):
        expected = grey_levels(SEEDS, request)
        assert int((torch.tensor(answer).reshape(3, -1) - expected).abs().max()) <= 1, request["sampler"]


def test_the_first_load_is_within_its_budget(built: Path) -> None:
    size = web.first_load(built)
    print(f"first load {size / 1e6:.2f} MB gzipped")
    assert size <= FIRST_LOAD


def test_the_browsers_images_are_pythons_too(visit: dict[str, Any]) -> None:
    request = {"sampler": "ddim", "steps": 12, "labels": [3] * 4, "guidance_scale": 2}
    expected = grey_levels([5, 6, 7, 8], request)
    assert int((torch.tensor(visit["levels"]) - expected).abs().max()) <= 1


def test_nothing_goes_to_another_server_and_nothing_is_kept(visit: dict[str, Any]) -> None:
    elsewhere = [url for url in visit["requests"] if not url.startswith((visit["url"], "data:", "blob:"))]
    assert len(elsewhere) == 0 < len(visit["requests"]) and visit["cookies"] == visit["stored"] == 0
    assert not any("asyncify" in url for url in visit["requests"]), "WebGPU is loaded only if it is chosen"


def test_the_first_garment_comes_in_time(visit: dict[str, Any]) -> None:
    seconds, load, cores = visit["first_seconds"], os.getloadavg()[0], os.cpu_count() or 1
    print(f"first garment after {seconds:.1f} s, {visit['first_computed']:.1f} s of computing; load {load:.1f}")
    shared = load > cores or int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1
    if seconds > FIRST_GARMENT and shared:
        pytest.skip(f"the first garment took {seconds:.1f} s, but the machine is busy: load {load:.1f}, {cores} cores")
    assert seconds <= FIRST_GARMENT


def test_an_image_opens_by_keyboard_and_can_be_saved_with_its_film(visit: dict[str, Any]) -> None:
    assert visit["title"] == "Dress, seed 6" and visit["closed"]
    picture, film = (Image.open(path) for path in visit["files"])
    assert grey(picture) == visit["levels"][1]
    assert (film.n_frames, film.size) == (13, (32, 32))  # x_T, and x_t after each of 12 steps
    film.seek(film.n_frames - 1)
    assert grey(film) == visit["levels"][1]
    assert visit["place"].startswith("step 0 of 12: t = 1000")


def test_the_command_beside_an_image_is_alphabars(visit: dict[str, Any], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from alphabar.cli import app

    words = visit["command"].replace("RUN", "fashion-mnist").split()[1:]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    (image,) = [path for path in (tmp_path / "out").glob("*.png") if path.name != "grid.png"]
    gap = torch.tensor(grey(Image.open(image))) - torch.tensor(visit["levels"][1])
    assert int(gap.abs().max()) <= 1


def test_the_page_fits_a_phone(visit: dict[str, Any]) -> None:
    assert visit["too_wide"] <= 0


def test_an_own_image_goes_through_both_schedules(visit: dict[str, Any]) -> None:
    linear, cosine = (alphabar.diffusion.SCHEDULES[name](1000).alpha_bar[400] for name in ("linear", "cosine"))
    assert f"linear: ᾱ = {linear:.3f}" in visit["forward"] and f"cosine: ᾱ = {cosine:.3f}" in visit["forward"]


def test_a_new_request_ends_the_one_before_and_stop_stops(visit: dict[str, Any]) -> None:
    assert visit["after_another"] == "step 3 of 3: finished" and visit["stopped"]


def test_what_goes_wrong_is_said_in_a_sentence_on_the_page(visit: dict[str, Any]) -> None:
    assert visit["no_model"] == "The file model.onnx was not found on this server (404); export the page again."
    assert visit["no_wasm"].startswith("This browser has no WebAssembly")
    assert visit["no_image"].startswith("This file is not an image")
    assert visit["errors"] == []


def test_a_graphics_card_that_fails_is_left_for_the_processor(visit: dict[str, Any]) -> None:
    assert visit["fallback"] == "wasm" and "ort.webgpu.min.mjs was not found" in visit["fallback_error"]
