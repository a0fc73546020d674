"""A plan suits the images, the machine and the time; it is made once; and what is named is not planned."""

import json
from pathlib import Path

import pytest
import torch

import alphabar
from alphabar import build, networks
from alphabar import config as c
from alphabar.api import train as door
from alphabar.config.run_sections import PLANNABLE
from alphabar.errors import AlphabarError
from alphabar.training.planning import affordable, plan
from digits_folder import digits_folder

CPU = torch.device("cpu")
SMALL = ["training.minutes=none", "training.steps=4", "diffusion.steps=20", "sampling.num=4", "sampling.steps=3",
         "network.channels=8", "training.log_every=1", "training.sample_every=0",
         "training.checkpoint_every=2"]  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_folder(tmp_path_factory.mktemp("digits"))


def at_speed(monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
    """A machine that learns from `speed` images of 32x32 a second with 16 channels."""

    def images_per_second(config, size, device):
        return speed * (32 * 32) / (size[0] * size[1]) * (16 / config.network.channels) ** 1.7

    monkeypatch.setattr(affordable, "images_per_second", images_per_second)


@pytest.mark.parametrize(
    "size", [(8, 8), (16, 16), (24, 24), (32, 32), (40, 64), (64, 64), (128, 128), (256, 256), (28, 28)]
)
def test_the_levels_fit_the_network(size) -> None:
    mult = affordable.levels(size)
    attention = affordable.attended(size, len(mult))
    config = c.load("folder", {"network.channel_mult": mult, "network.attention_resolutions": attention})
    facts = c.ImageFacts(shape=(3, *size), class_names=(), fingerprint="")
    with networks.without_values():
        build.network(config, facts)
    assert 4 <= min(size) >> (len(mult) - 1) < 8 and len(attention) == 1
    assert list(mult) == sorted(mult)


def test_every_setting_that_can_be_planned_is_planned(monkeypatch, digits) -> None:
    at_speed(monkeypatch, 100)
    config = c.load("folder", {"data.path": str(digits)})
    assert set(config.training.planned) == set(PLANNABLE)
    made = [plan.of_data(config, CPU), plan.of_network(config, (32, 32), CPU)]
    assert set().union(*(each.settings for each in made)) == set(PLANNABLE)


@pytest.mark.parametrize("minutes", [1, 60, 600])
def test_a_faster_machine_or_more_time_never_means_a_smaller_plan(monkeypatch, minutes) -> None:
    config = c.load("folder", {"training.minutes": minutes})
    sides, widths = [], []
    for speed in (10, 100, 1_000, 10_000, 100_000):
        at_speed(monkeypatch, speed)
        sides.append(affordable.largest_side(config, CPU))
        made = plan.of_network(config, (32, 32), CPU).settings
        widths.append(made["network.channels"])
        seen = 60 * minutes * speed * (16 / widths[-1]) ** 1.7
        assert widths[-1] == 16 or seen >= affordable.ENOUGH
        assert sides[-1] == 32 or 60 * minutes * speed * (32 / sides[-1]) ** 2 >= affordable.FEWEST
    assert sides == sorted(sides) and widths == sorted(widths)
    assert sides[-1] >= 128 and widths[-1] > 16


def test_the_time_of_a_plan_is_the_runs(monkeypatch) -> None:
    at_speed(monkeypatch, 100)
    config = c.load("folder", {"training.minutes": "none", "training.images": 3200})
    assert plan.of_network(config, (32, 32), CPU).settings["optimizer.warmup_steps"] == 10
    config = c.load("folder", {"training.minutes": 600})
    assert plan.of_network(config, (32, 32), CPU).settings["optimizer.warmup_steps"] == 200


@pytest.mark.parametrize(("minutes", "enough"), [(1, False), (10, True)])
def test_a_plan_says_what_its_values_are_and_whether_the_time_is_enough(monkeypatch, minutes, enough) -> None:
    at_speed(monkeypatch, 100)
    lines = plan.of_network(c.load("folder", {"training.minutes": minutes}), (32, 32), CPU).lines(frozenset(PLANNABLE))
    *settings, outlook = lines
    assert all(line.endswith(")") and "(" in line for line in settings)
    assert "its levels: the width times each number, from 32x32 pixels to 4x4" in "".join(settings)
    assert "recognisable samples after about 4 min (25,000 training images)" in outlook
    assert enough is not outlook.endswith("give it more time: --minutes 9")


def planned_settings(lines) -> dict[str, str]:
    return dict(line.split()[1].split("=", 1) for line in lines if line.startswith("planned  "))


def test_pictures_may_keep_their_own_size(monkeypatch, digits, tmp_path) -> None:
    at_speed(monkeypatch, 100)
    named = [*SMALL, "data.image_size=none"]
    made = planned_settings(door.rehearsed("folder", digits, named, device="cpu", run=tmp_path / "run"))
    assert made["network.channel_mult"] == "[1,2]" and made["network.attention_resolutions"] == "[8]"


@pytest.mark.heavy
def test_a_plan_never_drops_classes_that_were_switched_off(monkeypatch, tmp_path) -> None:
    at_speed(monkeypatch, 100)
    of_digits = {"data.name": "digits", "data.image_size": 8}
    made = []
    for classes in (True, False):
        planned = tuple(set(PLANNABLE) - {"network.class_conditional"})
        config = c.load("folder", {**of_digits, "network.class_conditional": classes, "training.planned": planned})
        made.append(plan.of_data(config, CPU).settings["network.label_dropout"])
    assert made == [plan.LABEL_DROPOUT, 0.0]
    named = [*SMALL, "data.name=digits", "network.class_conditional=false"]
    assert planned_settings(door.rehearsed("folder", None, named, device="cpu", run=tmp_path / "run"))


def test_the_network_that_is_measured_is_the_one_that_is_trained(monkeypatch, digits, tmp_path) -> None:
    probed = []

    def images_per_second(config, size, device):
        probed.append((config.network.channels, config.network.channel_mult, config.network.attention_resolutions))
        return 100.0

    monkeypatch.setattr(affordable, "images_per_second", images_per_second)
    named = [*SMALL, "data.image_size=16", "network.channel_mult=[1,2]"]
    made = planned_settings(door.rehearsed("folder", digits, named, device="cpu", run=tmp_path / "run"))
    assert probed == [(8, (1, 2), (16,))] and made["network.attention_resolutions"] == "[16]"
    affordable.largest_side(c.load("folder", {"network.channels": 64, "training.planned": ["data.image_size"]}), CPU)
    assert probed[-1][0] == 64, "a size is chosen for the channels that were asked for"


def test_epochs_are_a_length_too(monkeypatch, digits) -> None:
    at_speed(monkeypatch, 1e6)
    config = c.load("folder", {"training.minutes": "none", "training.epochs": 4, "data.path": str(digits)})
    made = plan.of_network(config, (32, 32), CPU)
    assert made.settings["network.channels"] == 16 and "this run ends at about 160," in made.outlook
    assert plan.by_images(config).training.images == 4 * 40


def test_a_network_that_does_not_fit_into_the_memory_is_not_planned(monkeypatch) -> None:
    config = c.load("folder", {"training.minutes": 600})
    for fitting in (32, 8):

        def images_per_second(config, size, device, widest=fitting):
            if config.network.channels > widest:
                raise torch.OutOfMemoryError
            return 1e6

        monkeypatch.setattr(affordable, "images_per_second", images_per_second)
        if fitting == 32:
            assert plan.of_network(config, (64, 64), CPU).settings["network.channels"] == 32
    with pytest.raises(AlphabarError, match="does not fit into the memory of cpu; choose a smaller data"):
        plan.of_network(config, (64, 64), CPU)


def test_a_batch_that_was_asked_for_counts_in_the_length(monkeypatch) -> None:
    at_speed(monkeypatch, 100)
    planned = sorted(set(PLANNABLE) - {"training.batch_size"})
    config = c.load("folder", {"training.minutes": 10, "training.batch_size": 8, "training.planned": planned})
    assert plan.of_network(config, (32, 32), CPU).settings["optimizer.warmup_steps"] == 200
    config = c.load("folder", {"training.minutes": "none", "training.steps": 1600})
    assert affordable.images_seen(config, 100, affordable.batch_of(config, torch.device("cuda"))) == 1600 * 128


def run_config(path: Path) -> dict:
    return json.loads((path / "config.json").read_text())


def test_what_is_named_is_not_planned_and_the_plan_is_said_before_the_first_step(
    monkeypatch, digits, tmp_path, capsys
) -> None:
    at_speed(monkeypatch, 100)
    named = [*SMALL, "data.image_size=16", "network.class_conditional=false"]
    door.train("folder", data=digits, run=tmp_path / "run", overrides=named, device="cpu")
    settings, said = run_config(tmp_path / "run"), capsys.readouterr().err
    assert settings["data"]["image_size"] == [16, 16] and settings["network"]["channels"] == 8
    assert not settings["network"]["class_conditional"] and settings["data"]["resize"] in ("pad", "crop")
    planned = [line.split("=")[0].split()[-1] for line in said.splitlines() if line.startswith("planned  ")]
    assert set(planned) == set(PLANNABLE) - {"data.image_size", "network.class_conditional", "network.channels"}
    assert said.index("planned  ") < said.index("images are few") < said.index("step 1 of")


@pytest.mark.heavy
def test_a_run_keeps_its_plan_on_another_machine(monkeypatch, digits, tmp_path) -> None:
    at_speed(monkeypatch, 100)
    named = [name for name in SMALL if "channels" not in name]
    door.train("folder", data=digits, run=tmp_path / "run", overrides=named, device="cpu")
    first = run_config(tmp_path / "run")
    at_speed(monkeypatch, 1e9)
    longer = [name.replace("training.steps=4", "training.steps=6") for name in named]
    assert door.train("folder", data=digits, run=tmp_path / "run", overrides=longer, device="cpu").finished
    second = run_config(tmp_path / "run")
    assert first["network"]["channels"] == second["network"]["channels"] == 16
    assert second["training"].pop("steps") == 6 and first["training"].pop("steps") == 4 and first == second
    assert door.train(tmp_path / "run", device="cpu").finished


def test_a_dry_run_says_the_plan_and_writes_nothing(monkeypatch, digits, tmp_path) -> None:
    at_speed(monkeypatch, 100)
    lines = list(door.rehearsed("folder", digits, SMALL, device="cpu", run=tmp_path / "run"))
    assert any(line.startswith("planned  data.image_size=") for line in lines) and not (tmp_path / "run").exists()


def test_without_images_of_ones_own_the_recipe_is_a_sentence(tmp_path) -> None:
    with pytest.raises(AlphabarError, match="--data"):
        alphabar.train("folder", run=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_minutes_are_an_argument_and_an_override_wins(monkeypatch, digits, tmp_path) -> None:
    at_speed(monkeypatch, 100)
    for overrides, minutes in ((SMALL[1:], 7), ([*SMALL[1:], "training.minutes=9"], 9)):
        path = tmp_path / str(minutes)
        door.train("folder", data=digits, run=path, minutes=7, overrides=overrides, device="cpu")
        assert run_config(path)["training"]["minutes"] == minutes
