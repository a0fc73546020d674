"""The same numbers as torch-fidelity 0.4.0 and torchmetrics 1.9.0, which make_parity_fixtures.py has asked."""

import json
from pathlib import Path

import pytest
import torch
from parity_inputs import CASES, logits, vectors

from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features
from alphabar.metrics.metric import METRICS

PEERS = json.loads(Path(__file__).with_name("parity.json").read_text())


def ours(case: str) -> dict[str, Estimate]:
    real, fake = (torch.from_numpy(x) for x in vectors(case))
    generated = Features.of(fake, torch.from_numpy(logits(case)))
    found: dict[str, Estimate] = {}
    for name in ("fd", "kid", "is", "pr"):
        found |= METRICS[name].measure(Features.of(real), generated)
    return found


@pytest.mark.parametrize("peer", ["torch-fidelity", "torchmetrics"])
@pytest.mark.parametrize("case", CASES)
def test_values_agree_to_six_digits(peer, case):
    found = ours(case)
    for quantity, value in PEERS[peer][case].items():
        if quantity == "score_std":
            assert found["score"].more["std"] == pytest.approx(value, rel=1e-6)
        else:
            assert found[quantity].value == pytest.approx(value, rel=1e-6), quantity


def test_every_case_says_something():
    for case in CASES:
        said = PEERS["torch-fidelity"][case]
        assert said["fd"] > 1 and 1.5 < said["score"] < 9
        assert 0.1 < said["recall"] < said["precision"] < 0.95
    assert "kid" in PEERS["torch-fidelity"]["equal"]
