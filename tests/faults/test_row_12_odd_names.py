"""Runs and folders of samples may have any name that the file system allows."""

import json
import os
from pathlib import Path

import pytest

import alphabar
from exact import SMALL
from tiny_settings import TINY

NAMES = [b"\xff", b"new\nline", b"-rf", "\N{GRINNING FACE}".encode(), b"x" * 255, b" ", b"a'b\"", b"[bold]a[/b]", b"~"]
SETTINGS = [*TINY, *SMALL, "training.steps=2"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_row_12_a_run_of_any_name_is_trained_resumed_and_sampled(tmp_path: Path, name: bytes) -> None:
    run, out = (tmp_path / parent / os.fsdecode(name) for parent in ("runs", "samples"))
    assert alphabar.train("ddpm_digits", run=run, overrides=SETTINGS).finished
    assert alphabar.train(run, overrides=["training.steps=3"]).finished
    alphabar.sample(run, num=2, out=out)
    assert {"seed-000000.png", "seed-000001.png", "settings.json"} <= {path.name for path in out.iterdir()}
    for file in ("metrics.jsonl", "environment.jsonl"):
        for line in (run / file).read_bytes().splitlines():
            json.loads(line)


def test_row_24_a_path_of_more_than_300_characters_with_dots_and_spaces_works(tmp_path: Path) -> None:
    run = tmp_path / "a b" / ".." / ("x" * 200) / "." / ("y" * 200)
    (tmp_path / "a b").mkdir()
    assert alphabar.train("ddpm_digits", run=run, overrides=SETTINGS).finished
    assert alphabar.load(run, device="cpu").loaded.step == 2
