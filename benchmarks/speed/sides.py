"""The sides: the file that makes each one's steps, and its option; and what says that a side cannot run here."""

from importlib.util import find_spec

from benchmarks.speed.workload import CHAIN, FEATURES, UNITS, Workload

OURS, AUTO, THEIRS, TUNED, LUCID = "alphabar fp32", "alphabar auto", "diffusers", "diffusers tuned", "lucidrains"
CONVOLUTIONS = {"fp32": "convolution fp32", "bf16": "convolution bf16"}
SIDES = {
    OURS: ("alphabar_side", False),
    AUTO: ("alphabar_side", True),
    THEIRS: ("diffusers_side", False),
    TUNED: ("diffusers_side", True),
    LUCID: ("lucidrains_side", False),
    CONVOLUTIONS["fp32"]: ("convolution_side", False),
    CONVOLUTIONS["bf16"]: ("convolution_side", True),
}
WITHOUT_PEER = ("dpmpp_3m_sde",)
"""Samplers that diffusers has in no scheduler."""
ELSEWHERE = {
    "improved-diffusion": "it is not on PyPI, and its repository needs MPI (mpi4py) to be imported.",
    "EDM": "it is not on PyPI: a repository of scripts, which cannot be installed.",
}
"""Packages that this environment has no way to install, and why; their figures are in no row."""
NEEDED = {
    THEIRS: ("diffusers", "pip install -e '.[interop]'"),
    TUNED: ("diffusers", "pip install -e '.[interop]'"),
    LUCID: (
        "denoising_diffusion_pytorch",
        "pip install --no-deps denoising-diffusion-pytorch einops ema-pytorch accelerate tqdm",
    ),
}


def skipped() -> dict[str, str]:
    """The sides whose package is missing, and a sentence on each."""
    return {
        side: f"{package} is not installed; {how} installs it."
        for side, (package, how) in NEEDED.items()
        if find_spec(package) is None
    }


def of(work: Workload) -> list[str]:
    """The sides of a workload that can run here. What is beside the networks cannot be tuned by their precision."""
    names = [OURS, THEIRS] if work.task in UNITS else list(SIDES)
    if work.task == FEATURES or (work.task == CHAIN and work.option in WITHOUT_PEER):
        names = [OURS]
    return [name for name in names if name not in skipped()]
