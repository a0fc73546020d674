"""The documents speak of things that are there: names, settings, commands, options, recipes."""

import importlib
import inspect
import re
import shlex
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import command_tree
from alphabar import config as c
from alphabar import diffusion, names

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = ROOT / "docs" / "paper_to_code.md"
SETTING = re.compile(rf"(?:{'|'.join(c.sections())})\.\w+(?:=\S+)?")


def rows(document: Path) -> list[list[str]]:
    """The cells of every line of every table."""
    lines = document.read_text(encoding="utf-8").splitlines()
    return [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines if line.startswith("| ")]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def resolve(name: str) -> Any:
    """`a.b.c`, absolute or of alphabar.diffusion, perhaps called or subscripted, as an object."""
    dotted, subscript = re.fullmatch(r"([\w.]+)(?:\(.*\)|\[\"(\w+)\"\])?", name).groups()
    first, *rest = dotted.split(".")
    found: Any = diffusion if first != "alphabar" else importlib.import_module(first)
    for part in [first, *rest] if first != "alphabar" else rest:
        if isinstance(found, ModuleType) and not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        declared = {field.name for field in fields(found)} if is_dataclass(found) and inspect.isclass(found) else ()
        found = None if part in declared and not hasattr(found, part) else getattr(found, part)
    return found[subscript] if subscript else found


def commands() -> dict[tuple[str, ...], set[str]]:
    """Every command, as its words after `alphabar`, and its options."""
    return {
        tuple(command.split()[1:]): command_tree.spellings(names) for command, names in command_tree.commands().items()
    }


def check_command(text: str) -> None:
    """`alphabar COMMAND ... --option`: the command, its options and its overrides exist."""
    words = shlex.split(text, comments=True)[1:]
    known = commands()
    if words[:2] == ["launch", "-n"] and tuple(words[3:4]) in known:  # the rest is a command of its own
        words = words[3:]
    path: tuple[str, ...] = ()
    while words and (*path, words[0]) in known:
        path = (*path, words.pop(0))
    assert path, f"there is no command in '{text}'"
    for word in words:
        option = word.split("=")[0]
        assert not option.startswith("--") or option in {*known[path], "--help", "--debug"}, f"{option} in '{text}'"
    if path == ("train",) and words:
        is_recipe = words[0].islower() and not words[0].startswith("runs/")  # RECIPE stands for any recipe
        recipe = words[0] if is_recipe else "ddpm_digits"
        check_settings([word for word in words if SETTING.fullmatch(word)], recipe)


def check_settings(settings: list[str], recipe: str = "ddpm_digits") -> None:
    """Each `section.key` exists, and those with a value can be set, together; N stands for any."""
    for setting in settings:
        section, name = setting.split("=")[0].split(".")
        assert name in c.sections()[section].model_fields, setting
    c.load(recipe, [setting for setting in settings if "=" in setting and not setting.endswith("=N")])


@pytest.mark.parametrize("cells", rows(NAMES), ids=lambda cells: cells[0].strip()[:40])
def test_every_name_in_the_last_column_of_paper_to_code_exists(cells: list[str]) -> None:
    for name in quoted(cells[-1]):
        if name.startswith("alphabar "):
            check_command(name)
        elif SETTING.fullmatch(name):
            check_settings([name])
        else:
            resolve(name)


@pytest.mark.parametrize("name", ["q_smaple", "NoiseSchedule.gamma", 'WEIGHTINGS["max_snr"]', "alphabar.nothing.at"])
def test_a_name_that_is_not_there_is_found_out(name: str) -> None:
    with pytest.raises((AttributeError, KeyError, ImportError)):
        resolve(name)


def test_paper_to_code_names_what_the_original_implementations_are_known_by() -> None:
    there = {name for cells in rows(NAMES) for cell in cells[:-1] for name in quoted(cell)}
    assert there >= {
        "q_sample", "p_losses", "predict_start_from_noise", "q_posterior", "p_mean_variance", "p_sample",
        "p_sample_loop", "calc_bpd_loop", "q_mean_variance", "q_posterior_mean_variance", "training_losses",
        "_vb_terms_bpd", "_prior_bpd", "normal_kl", "meanflat", "mean_flat", "discretized_gaussian_log_likelihood",
        "approx_standard_normal_cdf", "space_timesteps", "SpacedDiffusion", "UniformSampler", "ddim_sample",
        "LossSecondMomentResampler", "LossType.MSE", "LossType.KL", "LossType.RESCALED_MSE", "LossType.RESCALED_KL",
        "ModelMeanType.EPSILON", "ModelVarType.LEARNED", "train_fn", "samples_fn", "_denoise", "denoise_fn",
        "GaussianDiffusion", "get_named_beta_schedule",
    }  # fmt: skip


@pytest.mark.parametrize("document", DOCS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_command_in_a_document_can_be_given(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    inline = [name for name in quoted(re.sub(r"```.*?```", "", text, flags=re.S)) if name.startswith("alphabar ")]
    blocks = [line for block in re.findall(r"```\w*\n(.*?)```", text, flags=re.S) for line in block.splitlines()]
    for command in [*inline, *(line for line in blocks if line.startswith("alphabar "))]:
        check_command(re.sub(r"\[[^\]]*\]", "", command.replace("\\|", "|")))


@pytest.mark.parametrize("document", DOCS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
        assert "://" in link or (document.parent / link).exists(), link


def test_the_list_of_features_has_every_recipe_command_and_component() -> None:
    tables = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[\w-]+", tables))
    registries = (
        diffusion.SCHEDULES, diffusion.PARAMETERIZATIONS, diffusion.VARIANCES, diffusion.OBJECTIVES,
        diffusion.WEIGHTINGS, diffusion.TIMESTEP_SAMPLERS, diffusion.DECODERS, diffusion.SAMPLERS, diffusion.SPACINGS,
        c.recipes(), names.DATASETS, names.METRICS, names.EXTRACTORS,
    )  # fmt: skip
    for registry in registries:
        assert set(registry) - {"none"} <= words, set(registry) - words
    for path in commands():
        assert not path or f"alphabar {path[0]}" in tables, path


def test_the_first_python_of_the_readme_runs(tmp_path, monkeypatch) -> None:
    """But it shows the reverse process of one image, not of 16."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, flags=re.S)
    assert block.count("stream(16)") == 1
    monkeypatch.chdir(tmp_path)
    exec(block.replace("stream(16)", "stream(1)"), {})
    assert len(list((tmp_path / "bags").glob("seed-*.png"))) == 16


def test_the_readme_shows_what_it_is_at_once() -> None:
    """A picture, how to install it, three commands and the Python lines, all on the first screens."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for words in ("![", "pip install", "alphabar sample fashion-mnist", "import alphabar", "model.sample("):
        assert any(words in line for line in lines[:35]), words
    assert len(lines) < 100
