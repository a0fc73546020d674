"""Table 2 of Improved DDPM and Table 2 of DDPM in miniature, on Fashion-MNIST at 16x16.

    OMP_NUM_THREADS=1 python benchmarks/iddpm_in_miniature.py train FOLDER [--share K/N]
    OMP_NUM_THREADS=1 python benchmarks/iddpm_in_miniature.py measure FOLDER [--share K/N]
    python benchmarks/iddpm_in_miniature.py report FOLDER

Every run sees the same number of images, with the same network but for the head of a learned variance. The commands go
on where they stopped; --share 0/2 and 1/2 are two halves of the work for two processes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

ALPHABAR = (sys.executable, "-m", "alphabar")
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
INTERRUPTED = 4
SEEDS = (0, 1, 2)
BITS_IMAGES = 32
SHARED = 16
"""Test images: so many at T = 1000, fewer for longer chains, but always the same SHARED."""
SAMPLES = 600
QUALITY = ("FD", "precision", "recall")
QUALITY_OPTIONS = ("--features", "fashion-cnn", "--count", str(SAMPLES), "--batch-size", "100")
SAMPLING = ("--sampler", "ddim", "--steps", "50", "--eta", "1")
COMMON = (
    "data.image_size=16",
    "data.resize=crop",
    "network.preset=iddpm",
    "network.channels=16",
    "network.channel_mult=[1,2,2]",
    "network.attention_resolutions=[8]",
    "optimizer.learning_rate=5e-4",
    "optimizer.warmup_steps=50",
    "training.steps=750",
    "training.epochs=none",
    "training.batch_size=64",
    "training.ema_rates=[0.99]",
    "training.log_every=50",
    "training.sample_every=0",
    "training.checkpoint_every=250",
    "training.keep_checkpoints=1",
    "sampling.num=64",
)


@dataclass(frozen=True)
class Run:
    """One cell of a table: how it is called, and the settings that make it."""

    table: str
    schedule: str
    T: int
    objective: str
    variance: str
    parameterization: str
    timestep_sampler: str
    seed: int

    @property
    def name(self) -> str:
        parts = (self.parameterization, self.schedule, self.T, self.objective, self.variance, f"seed{self.seed}")
        return "-".join(map(str, parts))

    def overrides(self) -> list[str]:
        settings = {
            "diffusion.schedule": self.schedule,
            "diffusion.steps": self.T,
            "diffusion.time_scale": 1000 / self.T,
            "diffusion.objective": self.objective,
            "diffusion.variance": self.variance,
            "diffusion.parameterization": self.parameterization,
            "diffusion.timestep_sampler": self.timestep_sampler,
            "training.seed": self.seed,
        }
        return [*COMMON, *(f"{key}={value}" for key, value in settings.items())]


def iddpm(T: int, seed: int) -> list[Run]:
    """{linear, cosine} x {simple, hybrid, vlb}; vlb draws t by importance, as in the paper."""
    how = {
        "simple": ("fixed_large", "uniform"),
        "hybrid": ("learned_range", "uniform"),
        "vlb": ("learned_range", "loss_second_moment"),
    }
    return [
        Run("iddpm", schedule, T, objective, variance, "eps", sampler, seed)
        for schedule in ("linear", "cosine")
        for objective, (variance, sampler) in how.items()
    ]


def ddpm(seed: int) -> list[Run]:
    """{mu, eps} x {L with learned Σ, L with fixed Σ, squared error}; eps with the last is in the table above."""
    rows = (("vlb", "learned"), ("vlb", "fixed_large"), ("simple", "fixed_large"))
    return [
        Run("ddpm", "linear", 1000, objective, variance, parameterization, "uniform", seed)
        for parameterization in ("mu", "eps")
        for objective, variance in rows
        if (parameterization, objective) != ("eps", "simple")
    ]


def runs() -> list[Run]:
    """In the order of what is wanted most."""
    rest = [run for seed in SEEDS[1:] for run in (*iddpm(1000, seed), *ddpm(seed), *iddpm(4000, seed))]
    return [*iddpm(1000, 0), *ddpm(0), *iddpm(4000, 0), *rest]


def train(folder: Path, share: list[Run]) -> None:
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the training, which saves
    for run in share:
        path = folder / run.name
        if (path / "done.json").exists():
            continue
        command = [*ALPHABAR, "train", "ddpm_fashion_mnist", *run.overrides(), "--run", str(path), "--device", "cpu"]
        trained = subprocess.run(command, env=ONE_THREAD, stderr=subprocess.PIPE, text=True, check=False)
        print(run.name, trained.stderr, flush=True)
        if trained.returncode == INTERRUPTED or trained.returncode < 0:
            return
        path.mkdir(parents=True, exist_ok=True)  # a run that diverges is a result
        said = trained.stderr.strip().splitlines()[-1] if trained.returncode else "trained"
        (path / "done.json").write_text(json.dumps({"said": said}))


def measure(folder: Path, share: list[Run]) -> None:
    """Bits/dim of test images, and FD, precision and recall of samples by fashion-cnn, of every finished run."""
    for run in share:
        path = folder / run.name
        kept = path / "measured.json"
        if not (path / "done.json").exists() or kept.exists():
            continue
        try:
            kept.write_text(json.dumps(measured(run, path)))
        except subprocess.CalledProcessError as error:
            kept.write_text(json.dumps({"said": error.stderr.strip().splitlines()[-1]}))
        print(run.name, kept.read_text()[:200], flush=True)


def measured(run: Run, path: Path) -> dict[str, Any]:
    count = max(SHARED, BITS_IMAGES * 1000 // run.T)
    bits = evaluate(path, "--bpd", "bound", "--count", str(count), "--batch-size", str(BITS_IMAGES))["bits_per_dim"]
    quality = evaluate(path, "--metrics", "fd,pr", *QUALITY_OPTIONS, *SAMPLING)["metrics"]
    found = {"bits": bits, "bits_n": count, "quality": quality}
    if run.objective == "simple" and (run.parameterization, run.schedule, run.T) == ("eps", "linear", 1000):
        found["variances"] = {name: with_variance(path, name, count) for name in ("fixed_large", "fixed_small")}
    return found


def evaluate(path: Path, *options: str) -> dict[str, Any]:
    """The row of JSON that `alphabar evaluate` prints."""
    command = [*ALPHABAR, "evaluate", str(path), *options, "--device", "cpu"]
    answer = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(answer.stdout)
    return row


def with_variance(path: Path, name: str, count: int) -> dict[str, Any]:
    """Bits/dim, and FD of ancestral samples on a tenth of the steps, of one network with another fixed σ²."""
    sampling = ("--sampler", "ddpm", "--steps", "100", "--spacing", "uniform", "--variance", name)
    fd = evaluate(path, "--metrics", "fd", *QUALITY_OPTIONS, *sampling)["metrics"]["FD-fashion-cnn"]["value"]
    bits = bits_with_variance(path, name, count)
    return {"bits": float(bits.mean()), "error": float(bits.std(ddof=1)) / len(bits) ** 0.5, "fd": fd}


def bits_with_variance(path: Path, name: str, count: int) -> Any:
    """Bits/dim (N,) of test images; no command changes the reverse variance of a network for the bound."""
    import torch

    from alphabar import data, diffusion
    from alphabar.evaluation.bound_job import BoundJob
    from alphabar.evaluation.vlb import bound
    from alphabar.runs.model import load_model

    torch.set_num_threads(int(ONE_THREAD["OMP_NUM_THREADS"]))
    denoiser = replace(load_model(path).denoiser, variance=diffusion.VARIANCES[name])
    test = data.load("fashion_mnist", data.DataOptions(split="test", image_size=(16, 16), resize="crop"))
    rows = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:count]
    job = BoundJob(test.images[rows], tuple(rows.tolist()), None, "exact", 64, path / "variances", {"variance": name})
    return bound(denoiser, job, torch.device("cpu")).total.numpy()


def report(folder: Path, share: list[Run]) -> None:
    """Markdown: a row for each cell, mean ± standard error over its seeds; of one seed, over its test images."""
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in share:
        kept = folder / run.name / "measured.json"
        key = (run.table, run.parameterization, run.schedule, run.T, run.objective, run.variance)
        if kept.exists():
            found = json.loads(kept.read_text())
            cells.setdefault(key, []).append(found | {"shared": shared(folder / run.name)})
    for table in ("iddpm", "ddpm"):
        print(f"\n**{table}**\n")
        quality = " | ".join(f"{name}-fashion-cnn" for name in QUALITY)
        head = "predicts | schedule | T | objective | Σ | seeds | bits/dim of 32×32 | rate | distortion"
        print(f"| {head} | bits/dim of 32×32, {SHARED} images | {quality} |")
        print("|" + "---|" * 13)
        for key, found in sorted(cells.items(), key=lambda item: (item[0][3], item[0][2] != "linear", item[0][1:])):
            belongs = key[0] == table or (table == "ddpm" and key[1:5] == ("eps", "linear", 1000, "simple"))
            if belongs:
                print(f"| {' | '.join(map(str, key[1:]))} | {len(found)} | {' | '.join(columns(found))} |")
    for key, found in cells.items():
        for one in found:
            if "variances" in one:
                print(key, json.dumps(one["variances"]))


def shared(path: Path) -> float | None:
    """Bits/dim of the images that every run is measured on, whatever its T."""
    kept = sorted(path.glob("bits_per_dim/*/terms.npz"))
    if not kept:
        return None
    with np.load(kept[-1]) as file:
        return float((file["prior"] + file["terms"].sum(1))[:SHARED].mean())


def columns(found: list[dict[str, Any]]) -> list[str]:
    good = [one for one in found if "bits" in one]
    if not good:
        return ["diverged"] + [""] * 6
    parts = [[one["bits"][name] for one in good] for name in ("total", "rate", "distortion")]
    bits = [shown([p["value"] for p in part], part[0]["standard_error"]) for part in parts]
    bits.append(shown([one["shared"] for one in good], None))
    return bits + [shown([one["quality"][f"{name}-fashion-cnn"]["value"] for one in good], None) for name in QUALITY]


def shown(values: list[float], error: float | None) -> str:
    if len(values) > 1:
        error = stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.3f}" + ("" if error is None else f" ± {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("train", "measure", "report"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", default="0/1")
    arguments = parser.parse_args()
    k, n = map(int, arguments.share.split("/"))
    share = runs()[k::n]
    {"train": train, "measure": measure, "report": report}[arguments.part](arguments.folder, share)


if __name__ == "__main__":
    main()
