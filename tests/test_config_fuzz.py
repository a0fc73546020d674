"""Whatever stands in a recipe or an override: settings, or sentences, and never long."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphabar import config as c
from alphabar.config.recipe import toml
from alphabar.errors import AlphabarError
from fuzz import often
from quick import is_quick

NAMES = [f"{section}.{key}" for section, model in c.sections().items() for key in model.model_fields]
NUMBERS = ["1e400", "-1e400", "nan", "-nan", "inf", "-inf", "-0", "-0.0", "0", "1e-400", "9" * 400, "0x" + "f" * 5000,
           "9" * 5000, "1_0", "0b1", "1.5", "-1", "1e308", "9223372036854775808"]  # fmt: skip
NASTY = [*NUMBERS, "[" * 3000, "{a=" * 2000, "[1,2", '"\\u0000"', '"\\ud800"', "1979-05-27", "07:32:00", "true", "none",
         "[]", "{}", "[[]]", '""', "''", "x" * 3000, "\udc80", "\x1b[31m", "[nan]", "[true]", "[1, 'a']"]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=4)
    | st.just(date(2020, 1, 1)) | st.just(object()) | st.builds(lambda: 10**5000) | st.just(Path("x")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
WORDS = st.text(max_size=4)
KEYS = st.sampled_from(NAMES) | st.text(max_size=12) | st.builds("{}.{}".format, WORDS, WORDS)
TEXTS = st.sampled_from(NASTY) | st.text(max_size=30)
RECIPES = st.text(max_size=60) | st.lists(
    st.sampled_from([f"[{section}]" for section in c.sections()] + [f"[[{section}]]" for section in c.sections()])
    | st.builds("{} = {}".format, st.sampled_from([name.split(".")[1] for name in NAMES]), TEXTS)
    | TEXTS,
    max_size=8,
).map("\n".join)


def answered(work: Callable[[], object]) -> None:
    """Settings, or sentences for people, within a second."""

    def answer() -> None:
        try:
            work()
        except AlphabarError as error:
            assert error.args and all(isinstance(sentence, str) and sentence for sentence in error.args)
            assert all(len(sentence) < 5000 for sentence in error.args)

    assert is_quick(answer, 1)


QUICK = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=often(500), deadline=None, suppress_health_check=list(HealthCheck))


def check_overrides(overrides: list[tuple[str, str]]) -> None:
    answered(lambda: c.load("ddpm_digits", [f"{key}={text}" for key, text in overrides]))


def check_values(overrides: dict[str, Any]) -> None:
    answered(lambda: c.load("ddpm_digits", overrides))


def check_recipe(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    answered(lambda: c.load(str(path)))


def check_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    answered(lambda: c.load(str(path)))


CASES = {
    "overrides": (check_overrides, st.lists(st.tuples(KEYS, TEXTS), max_size=4), False),
    "values": (check_values, st.dictionaries(KEYS, VALUES, max_size=4), False),
    "recipes": (check_recipe, RECIPES.filter(lambda text: not any("\ud800" <= x <= "\udc7f" for x in text)), True),
    "bytes": (check_bytes, st.binary(max_size=60), True),
}


@pytest.mark.parametrize("budget", [QUICK, pytest.param(LONG, marks=pytest.mark.heavy)], ids=["quick", "long"])
@pytest.mark.parametrize("what", CASES)
def test_whatever_is_given_there_are_settings_or_sentences(what: str, budget: settings, tmp_path) -> None:
    check, strategy, is_file = CASES[what]
    budget(given(strategy)(lambda case: check(case, *([tmp_path / "a.toml"] if is_file else []))))()


@pytest.mark.parametrize("text", NASTY)
def test_every_setting_answers_every_nasty_value(text: str) -> None:
    for name in NAMES:
        answered(lambda name=name: c.load("ddpm_digits", [f"{name}={text}"]))  # type: ignore[misc]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "-1e400"])
def test_no_setting_takes_what_is_no_finite_number(text: str) -> None:
    for name in NAMES:
        with pytest.raises(AlphabarError):
            c.load("ddpm_digits", [f"{name}={text}"])


@pytest.mark.parametrize("value", ["true", "false", "[true]"])
def test_no_number_takes_a_truth(value: str) -> None:
    for section, model in c.sections().items():
        for key, field in model.model_fields.items():
            if field.annotation is not bool:
                with pytest.raises(AlphabarError, match=key):
                    c.load("ddpm_digits", [f"{section}.{key}={value}"])


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("training.lr", "optimizer.learning_rate"), ("training.learning_rate", "optimizer.learning_rate"),
        ("optimizer.lr", "optimizer.learning_rate"),
        ("diffusion.batch_size", "training.batch_size' or 'sampling.batch_size"),
        ("training.ema_decay", "training.ema_rates"), ("network.image_size", "data.image_size"),
        ("diffusion.timesteps", "diffusion.steps"), ("training.warmup", "optimizer.warmup_steps"),
        ("diffusion.lr", "optimizer.learning_rate"), ("network.schedule", "diffusion.schedule"),
    ],
)  # fmt: skip
def test_a_setting_of_another_section_or_program_leads_to_its_place(setting: str, meant: str) -> None:
    with pytest.raises(AlphabarError, match=rf"did you mean '({meant}|{meant.split('.')[1]})'"):
        c.load("ddpm_digits", [f"{setting}=1"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.path=1e3", "must be a path"), ("data.path=2020-01-01", "must be a path"),
        ("data.root=5", "must be a path"), ("sampling.steps=1.5", "whole number"),
        ("training.steps=1.5", "whole number"), ("sampling.order=x", "1, 2 or 3"),
        ("data.background=whitish", "#rrggbb"), ("data.background=[1, 2]", "such as white"),
        ("data.background=[256,0,0]", "255"), ('data.background="#fff8"', "#rrggbb"),
        ("data.image_size=big", "48x64"), ("evaluation.metrics=fd", '["fd"]'), ("optimizer.betas=0.9", "[0.9, 0.999]"),
        ("data.horizontal_flip=maybe", "true or false"), ("training.seed=" + "9" * 5000, "thousands of digits"),
        ("training.steps=" + "[" * 10000, "nested"),
        ("diffusion.steps=10", "sampling.steps, which is 50, must be set to 1..10"),
    ],
)  # fmt: skip
def test_a_sentence_says_what_would_be_right_and_no_class_of_python(override: str, words: str) -> None:
    with pytest.raises(AlphabarError) as caught:
        c.load("ddpm_digits", [override])
    assert len(caught.value.args) == 1 and words in str(caught.value)
    for word in ("<class", "valid tuple", "input should", ".int", ".str", "Path("):
        assert word not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe[\x00", bytes(range(256)), b"a = " + b"9" * 5000, b"a=" + b"[" * 10000,
                                     b"#" * 200_000, b"a = 1\na = 2"])  # fmt: skip
def test_a_file_that_is_no_recipe_is_one_sentence(content: bytes, tmp_path) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(AlphabarError, match=r"a\.toml") as caught:
        c.read(str(tmp_path / "a.toml"))
    assert len(caught.value.args) == 1


def test_a_recipe_that_a_windows_editor_saved_is_read(tmp_path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[training]\r\nsteps = 3\r\n")
    assert c.read(str(tmp_path / "a.toml")) == {"training": {"steps": 3}} == toml("training = {steps = 3}")


def test_a_path_that_is_no_recipe_says_what_it_is(tmp_path) -> None:
    said = {tmp_path: "is a folder", Path("/dev/zero"): "of another kind"}
    said |= {tmp_path / "no.toml": "no recipe file", tmp_path / "no": "There is no recipe"}
    for path, words in said.items():
        with pytest.raises(AlphabarError, match=words):
            c.read(str(path))
