"""The sides: the file that makes each one's steps, and its option; and what says that a side cannot run here."""

from importlib.util import find_spec

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


def of(task: str) -> list[str]:
    """The sides of a task that can run here. A sampler's step has no network that could be tuned."""
    names = [OURS, THEIRS] if task == "chain" else list(SIDES)
    return [name for name in names if name not in skipped()]
