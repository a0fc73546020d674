"""`alphabar plot scaling`: what runs keep of their evaluations, over what they cost, and the law of the best."""

import json

import numpy as np
import pytest

from alphabar import figures
from alphabar.errors import AlphabarError
from alphabar.figures.power_law import envelope, fitted
from alphabar.runs.model import load_model

COMPUTE = np.geomspace(1, 1000, 10)


@pytest.mark.parametrize(("b", "c"), [(0.1, 0.0), (0.3, 2.0), (0.7, 0.5)])
def test_a_law_without_noise_is_found(b, c):
    law = fitted(COMPUTE, 3 * COMPUTE**-b + c, draws=20)
    assert law is not None and law.b == pytest.approx(b, rel=0.03)
    assert law.c == pytest.approx(c, abs=0.15) and law.error < 2e-3
    assert law.at(COMPUTE) == pytest.approx(3 * COMPUTE**-b + c, rel=1e-2)


@pytest.mark.heavy
@pytest.mark.parametrize("count", [5, 10])
def test_the_interval_of_the_exponent_holds_it_as_often_as_is_said(count):
    x, generator, inside = np.geomspace(1, 1000, count), np.random.default_rng(0), 0
    c = 0.5 if count >= 7 else 0.0
    for _ in range(100):
        law = fitted(x, (3 * x**-0.4 + c) * (1 + 0.03 * generator.standard_normal(count)), draws=300)
        assert law is not None
        inside += law.b_interval[0] <= 0.4 <= law.b_interval[1]
    assert 88 <= inside <= 100  # 95 expected; 88 has p = 0.4 %


def test_the_unit_of_compute_changes_a_and_nothing_else():
    loss = 3 * COMPUTE**-0.4 * (1 + 0.02 * np.cos(np.arange(10)))
    one, other = fitted(COMPUTE, loss, draws=50), fitted(COMPUTE * 1e12, loss, draws=50)
    assert one is not None and other is not None
    assert one.b == other.b and one.b_interval == pytest.approx(other.b_interval) and one.c == pytest.approx(other.c)
    assert other.a == pytest.approx(one.a * 1e12**one.b)


def test_too_few_points_have_no_law_and_few_have_no_floor():
    assert fitted(COMPUTE[:2], COMPUTE[:2] ** -0.3) is None
    assert fitted(np.ones(5), np.ones(5)) is None
    law = fitted(COMPUTE[:6], COMPUTE[:6] ** -0.3 + 1, draws=20)
    assert law is not None and law.c == 0 and law.c_interval == (0, 0)


def test_the_envelope_is_what_nothing_beats_with_as_little_compute():
    compute, loss = np.array([1.0, 1.0, 2.0, 3.0, 4.0]), np.array([5.0, 4.0, 4.5, 3.0, 3.0])
    assert envelope(compute, loss).tolist() == [False, True, False, True, False]


def keep(run, *rows) -> None:
    (run / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def bits(step, value, n=8) -> dict:
    entry = {"total": {"value": value, "standard_error": 0.1}}
    return {"bits_per_dim": entry, "kind": "bound", "n": n, "split": "test", "steps": 24, "T": 24, "step": step}


def fd(step, value) -> dict:
    about = {"step": step, "sampler": "ddim", "steps": 6, "eta": 1.0}
    return {"metrics": {"FD-fashion-cnn": {"value": value, "standard_error": 0.2}}, "images": about, "n_fake": 9}


@pytest.fixture
def evaluated(runs, monkeypatch):
    """Both runs with evaluations at three steps; what they kept before comes back."""
    before = {run: (run / "evaluations.jsonl") for run in runs.values()}
    texts = {path: path.read_bytes() for path in before.values() if path.exists()}
    keep(runs["linear"], bits(5, 9.0), bits(5, 6.0), bits(10, 5.0), bits(20, 4.0), fd(20, 3.0))
    keep(runs["cosine"], bits(20, 4.5), fd(20, 2.0), {"metrics": {"FD-fashion-cnn": "?"}}, {"bits_per_dim": 3})
    yield runs
    for path in before.values():
        path.unlink()
        if path in texts:
            path.write_bytes(texts[path])


def test_compute_is_images_by_multiply_adds_by_six(evaluated, plot, capsys):
    from alphabar import build

    rows = plot("scaling", *evaluated.values())
    said = capsys.readouterr().out
    assert "bits/dim = " in said and "exponent" in said and "FD-fashion-cnn: too few points" in said
    model = load_model(evaluated["linear"])
    parameters, multiply_adds = build.cost(model.config, model.facts)
    batch = model.config.training.batch_size
    table = {(row["measure"], row["run"], int(row["step"])): row for row in rows}
    assert set(table) == {
        ("bits/dim", "linear", 5), ("bits/dim", "linear", 10), ("bits/dim", "linear", 20), ("bits/dim", "cosine", 20),
        ("FD-fashion-cnn", "linear", 20), ("FD-fashion-cnn", "cosine", 20),
    }  # fmt: skip
    row = table["bits/dim", "linear", 5]
    assert float(row["value"]) == 6.0  # the newest of a step
    assert (int(row["parameters"]), int(row["multiply_adds"])) == (parameters, multiply_adds)
    assert float(row["flops"]) == 5 * batch * multiply_adds * 6
    assert [table["bits/dim", "cosine", 20]["on_envelope"], row["on_envelope"]] == ["0", "1"]
    assert float(row["fit_b_low"]) < float(row["fit_b"]) < float(row["fit_b_high"])
    assert table["FD-fashion-cnn", "linear", 20]["fit_b"] == ""


def test_runs_that_were_not_evaluated_or_not_alike_are_a_sentence(evaluated):
    keep(evaluated["cosine"])
    with pytest.raises(AlphabarError, match=r"no bits/dim and no FD .* `alphabar evaluate .*cosine --bpd`"):
        figures.scaling(list(evaluated.values()))
    keep(evaluated["cosine"], bits(20, 4.5, n=16))
    with pytest.raises(AlphabarError, match=r"is of 8 test images.* of 16 test images"):
        figures.scaling(list(evaluated.values()))
