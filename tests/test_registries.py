"""A sampler is added by one file and one entry; everything else reads its name from there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import alphabar
from alphabar import names

TESTS = Path(__file__).parent

MINE = '''"""DPM-Solver++(2M) under another name: the contract tests expect a solver of second order."""

from dataclasses import dataclass
from typing import ClassVar

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.samplers.dpmpp_2m import DPMpp2M
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step
from torch import Tensor


@dataclass(frozen=True)
class Mine:
    """The flow by two x0."""

    grid: ClassVar[Grid] = Grid("trailing", 5)
    memory: ClassVar[int] = 1
    calls: ClassVar[int] = 1

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """Second order in h."""
        return DPMpp2M().step(denoiser, x, t, history, noise)
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A copy of the package with one more file, and one more entry in one other."""
    root = tmp_path_factory.mktemp("mine")
    shutil.copytree(Path(alphabar.__file__).parent, root / "alphabar", ignore=shutil.ignore_patterns("__pycache__"))
    samplers = root / "alphabar" / "diffusion" / "samplers"
    (samplers / "mine.py").write_text(MINE)
    registry = (samplers / "__init__.py").read_text()
    entry = "from alphabar.diffusion.samplers.mine import Mine\n"
    assert (
        registry.count("from alphabar.diffusion.samplers.pndm") == 1 and registry.count('    "ddpm": Ancestral,\n') == 1
    )
    registry = registry.replace(
        "from alphabar.diffusion.samplers.pndm", entry + "from alphabar.diffusion.samplers.pndm"
    )
    (samplers / "__init__.py").write_text(
        registry.replace('    "ddpm": Ancestral,\n', '    "ddpm": Ancestral,\n    "mine": Mine,\n')
    )
    return root


def command(package: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(package), "COLUMNS": "300", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "alphabar", *args],
        env=environment,
        cwd=package,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_it_samples_on_its_own_grid(package) -> None:
    done = command(package, "sample", "fashion-mnist", "--sampler", "mine", "--num", "1", "--film", "none")
    assert done.returncode == 0, done.stderr
    assert "generated/mine-5-trailing" in done.stdout


@pytest.mark.heavy
def test_help_settings_and_the_error_for_a_mistyped_name_know_it(package) -> None:
    assert "ddpm, mine, ddim" in command(package, "sample", "--help").stdout
    assert "ddpm | mine | ddim" in command(package, "settings", "sampling").stdout
    mistyped = command(package, "sample", "fashion-mnist", "--sampler", "mien")
    assert mistyped.returncode == 2 and "did you mean 'mine'" in mistyped.stderr
    not_its_option = command(package, "sample", "fashion-mnist", "--sampler", "mine", "--eta", "1")
    assert not_its_option.returncode == 2 and "eta" in not_its_option.stderr


@pytest.mark.heavy
def test_the_form_of_the_page_knows_it(package) -> None:
    pytest.importorskip("gradio", reason="the page needs the extra app")
    code = "from alphabar.app import forms; print(forms.control('sampler').choices)"
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert "('ddpm', 'ddpm'), ('mine', 'mine'), ('ddim', 'ddim')" in done.stdout, done.stderr


@pytest.mark.heavy
def test_the_contract_tests_of_samplers_take_it_up(package) -> None:
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-x", "-p", "no:cacheprovider", "--rootdir", str(TESTS.parent),
         "-k", "mine", str(TESTS / "diffusion" / "test_every_sampler_with_everything.py"),
         str(TESTS / "diffusion" / "test_samplers_at_the_edges.py")],
        env=environment, capture_output=True, text=True, timeout=600, check=False, cwd=TESTS.parent,
    )  # fmt: skip
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


MADE_OF_OTHERS = {"OPTIMAL", "EVERY_SPACING"}
"""Names of no registry: a spacing that needs a run, and all spacings with it."""


@pytest.mark.parametrize("registry", [name for name in vars(names) if name.isupper() and name not in MADE_OF_OTHERS])
def test_names_are_known_without_torch_and_are_the_registries(registry: str) -> None:
    from alphabar import data, diffusion, films, images, interop, metrics, networks
    from alphabar.data import sources
    from alphabar.diffusion.editing import MIXES
    from alphabar.evaluation.bits_per_dim import KINDS
    from alphabar.networks.precision import PRECISIONS
    from alphabar.sampling.backends import BACKENDS
    from alphabar.training.optimizers import OPTIMIZERS
    from alphabar.training.optimizers.lr import DECAYS
    from alphabar.training.parallel.strategies import STRATEGIES
    from alphabar.training.trackers import TRACKERS

    here = {"OPTIMIZERS": OPTIMIZERS, "STRATEGIES": STRATEGIES, "BACKENDS": BACKENDS}
    here |= {"TRACKERS": TRACKERS, "LIKELIHOODS": KINDS}
    here |= {"MIXES": MIXES, "PRECISIONS": PRECISIONS, "DECAYS": DECAYS, "FILM_FORMATS": films.FORMATS}
    here |= {"OWN_DATA": sources.OWN_DATA, "RESIZE_RULES": images.RESIZE_RULES, "POSITIONS": images.POSITIONS}
    here |= {"PUBLISHED_DATA": [name for name in data.DATASETS if name not in sources.OWN_DATA]}
    for module in (diffusion, networks, data, metrics, interop):
        here |= {name: value for name, value in vars(module).items() if name.isupper() and name not in here}
    assert getattr(names, registry) == tuple(here[registry])
