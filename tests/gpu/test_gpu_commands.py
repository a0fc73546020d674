"""The two commands for a machine with a GPU can be run, and run again, on one without."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def importable(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.heavy
def test_a_dry_training_of_the_bundled_model_is_exported_and_goes_on_where_it_was(tmp_path) -> None:
    from benchmarks.gpu_train_bundled import bundled

    first, again = (bundled(tmp_path, None, None, dry=True) for _ in range(2))
    assert first == again and first["bytes"] < 3_000_000
    assert Path(first["exported"]).exists() and (Path(first["grid"]) / "grid.png").exists()


@pytest.mark.heavy
def test_the_rows_of_speed_that_there_was_time_for_are_in_the_answer() -> None:
    from benchmarks import gpu

    (row,) = gpu.speed("cpu", "--rounds", "1", "--rows", "features", seconds=300)["rows"]
    assert row["row"] == "features" and row["sides"]["alphabar fp32"]["microseconds"] > 0
    assert gpu.speed("cpu", "--rounds", "1", seconds=0.5).startswith("benchmarks.speed wrote no rows")


@pytest.mark.heavy
def test_the_gain_of_each_switch_is_in_the_answer() -> None:
    """But that of compiling, which takes minutes on a CPU, is not asked for."""
    from benchmarks import gpu

    both = ("training.images_on_device", "sampling.cuda_graphs")
    options = [word for switch in both for word in ("--only", switch)]
    found = gpu.switches("cpu", "--rounds", "1", "--steps", "1", "--images", "1", *options, seconds=300)
    assert set(found) == set(both)
    assert all(gain["median"] > 0 and gain["graphs_compiled_later"] == 0 for gain in found.values())


def test_what_was_written_before_the_time_was_over_is_in_the_answer(monkeypatch) -> None:
    from benchmarks import gpu

    def stopped(command: list[str], seconds: float) -> str:
        Path(command[-1]).write_text('{"first": 1}')
        return "it was stopped"

    monkeypatch.setattr(gpu, "ran", stopped)
    assert gpu.switches("cpu") == {"first": 1}


@pytest.mark.heavy
def test_the_tests_are_counted() -> None:
    from benchmarks import gpu

    counts = gpu.tests("noise_of_a_seed and cpu")
    assert (counts["passed"], counts["failed"], counts["skipped"]) == (1, 0, 0)
