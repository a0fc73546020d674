"""Table 2 of Improved DDPM and Table 2 of DDPM in miniature, on Fashion-MNIST at 16x16.

    OMP_NUM_THREADS=1 python -m benchmarks.iddpm_in_miniature train FOLDER [--images 240000] [--share K/N] [--first N]
    OMP_NUM_THREADS=1 python -m benchmarks.iddpm_in_miniature measure FOLDER [--images 240000] [--share K/N]
    OMP_NUM_THREADS=1 python -m benchmarks.iddpm_in_miniature both FOLDER --images 240000
    python -m benchmarks.iddpm_in_miniature report FOLDER [--save FILE.json]

Every run of a budget sees the same number of images, with the same network but for the head of a learned variance. The
commands go on where they stopped; --share 0/2 and 1/2 are two halves of the work for two processes, --first 9 is its
first nine runs; `both` measures each run when it is trained. The runs of 240,000 images lie in FOLDER/240000, are made
in the order of what they decide, and their bounds are estimated on 256 test images (sampled_bound.py). The report has
both budgets, as far as they are there.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from benchmarks.gaps import gap

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
    "optimizer.learning_rate=5e-4",
    "optimizer.warmup_steps=50",
    "training.epochs=none",
    "training.batch_size=64",
    "training.log_every=50",
    "training.sample_every=0",
    "training.checkpoint_every=250",
    "training.keep_checkpoints=1",
    "sampling.num=64",
    "sampling.sampler=ddim",
    "sampling.steps=50",
)
BUDGETS = {
    48_000: (
        "network.channels=16",
        "network.channel_mult=[1,2,2]",
        "network.attention_resolutions=[8]",
        "training.steps=750",
        "training.ema_rates=[0.99]",
    ),
    240_000: (
        "network.channels=8",
        "network.channel_mult=[1,2,4]",
        "network.attention_resolutions=[4]",
        "training.steps=3750",
        "training.ema_rates=[0.995]",
    ),
}
"""Images of a training -> its network (300,000 or 181,000 parameters) and its length."""
THOROUGH_IMAGES = 256
"""Test images of the bounds of the longer budget."""


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
    images: int = 48_000

    @property
    def cell(self) -> tuple[Any, ...]:
        return self.parameterization, self.schedule, self.T, self.objective, self.variance

    def path(self, folder: Path) -> Path:
        return folder / ("" if self.images == 48_000 else str(self.images)) / self.name

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
        return [*COMMON, *BUDGETS[self.images], *(f"{key}={value}" for key, value in settings.items())]


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


DECIDING = (
    ("eps", "cosine", 4000, "vlb", "learned_range"),
    ("eps", "cosine", 4000, "hybrid", "learned_range"),
    ("eps", "cosine", 4000, "simple", "fixed_large"),
    ("eps", "cosine", 1000, "vlb", "learned_range"),
    ("eps", "cosine", 1000, "hybrid", "learned_range"),
    ("eps", "cosine", 1000, "simple", "fixed_large"),
    ("eps", "linear", 1000, "vlb", "learned_range"),
    ("mu", "linear", 1000, "vlb", "fixed_large"),
    ("eps", "linear", 1000, "vlb", "fixed_large"),
)
"""The cells whose claims were not seen at 48,000 images."""


def runs(images: int = 48_000) -> list[Run]:
    """In the order of what is wanted most."""
    if images != 48_000:
        every = [replace(run, images=images) for run in runs()]
        first = {cell: k for k, cell in enumerate(DECIDING)}
        return sorted(every, key=lambda run: (run.cell not in first, run.seed, first.get(run.cell, 0)))
    rest = [run for seed in SEEDS[1:] for run in (*iddpm(1000, seed), *ddpm(seed), *iddpm(4000, seed))]
    return [*iddpm(1000, 0), *ddpm(0), *iddpm(4000, 0), *rest]


def train(folder: Path, share: list[Run]) -> None:
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the training, which saves
    for run in share:
        path = run.path(folder)
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
        path = run.path(folder)
        kept = path / "measured.json"
        if not (path / "done.json").exists() or kept.exists():
            continue
        try:
            kept.write_text(json.dumps(measured(run, path)))
        except subprocess.CalledProcessError as error:
            kept.write_text(json.dumps({"said": error.stderr.strip().splitlines()[-1]}))
        print(run.name, kept.read_text()[:200], flush=True)


def both(folder: Path, share: list[Run]) -> None:
    """Train and measure one run after the other."""
    for run in share:
        train(folder, [run])
        if not (run.path(folder) / "done.json").exists():
            return  # it was interrupted
        measure(folder, [run])


def measured(run: Run, path: Path) -> dict[str, Any]:
    if run.images != 48_000:
        return thorough(path)
    count = max(SHARED, BITS_IMAGES * 1000 // run.T)
    bits = evaluate(path, "--bpd", "bound", "--count", str(count), "--batch-size", str(BITS_IMAGES))["bits_per_dim"]
    quality = evaluate(path, "--metrics", "fd,pr", *QUALITY_OPTIONS, *SAMPLING)["metrics"]
    found = {"bits": bits, "bits_n": count, "quality": quality}
    if run.objective == "simple" and (run.parameterization, run.schedule, run.T) == ("eps", "linear", 1000):
        found["variances"] = {name: with_variance(path, name, count) for name in ("fixed_large", "fixed_small")}
    return found


def thorough(path: Path) -> dict[str, Any]:
    """Bits/dim of THOROUGH_IMAGES test images by a part of the terms, kept image by image; the quality of samples."""
    import torch
    from benchmarks.sampled_bound import sampled_bound

    from alphabar import data
    from alphabar.runs.model import load_model

    torch.set_num_threads(int(ONE_THREAD["OMP_NUM_THREADS"]))
    test = data.load("fashion_mnist", data.DataOptions(split="test", image_size=(16, 16), resize="crop"))
    rows = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:THOROUGH_IMAGES]
    bits = sampled_bound(load_model(path).denoiser, test.images[rows], rows.tolist())
    bits.save(path / "bits.npz", rows)
    quality = evaluate(path, "--metrics", "fd,pr", *QUALITY_OPTIONS, *SAMPLING)["metrics"]
    parts = {"total": bits.rate + bits.distortion, "rate": bits.rate, "distortion": bits.distortion}
    found = {
        name: {"value": float(x.mean()), "standard_error": float(x.std()) / len(x) ** 0.5} for name, x in parts.items()
    }
    return {"bits": found, "bits_n": len(rows), "quality": quality}


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


def report(folder: Path, save: Path | None) -> None:
    """Markdown of every budget: a row for each cell, mean ± standard error over its seeds; of one seed, over images."""
    for images in BUDGETS:
        cells = kept(folder, images)
        if not cells:
            continue
        steps = images // 64
        print(f"\n## {images:,} images per run ({steps:,} steps of 64), {cells_with(cells)}")
        tables(cells)
        if images != 48_000:
            print("\n" + "\n".join(gaps(folder, images)))
        for key, found in cells.items():
            for one in found:
                if "variances" in one:
                    print(key, json.dumps(one["variances"]))
    if save:
        save.write_text(json.dumps([row for images in BUDGETS for row in raw(folder, images)], indent=1) + "\n")


def kept(folder: Path, images: int) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """What was measured, by table and cell."""
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in runs(images):
        path = run.path(folder)
        if (path / "measured.json").exists():
            found = json.loads((path / "measured.json").read_text())
            cells.setdefault((run.table, *run.cell), []).append(found | {"shared": shared(path)})
    return cells


def cells_with(cells: dict[tuple[Any, ...], list[dict[str, Any]]]) -> str:
    seeds = {len(found) for found in cells.values()}
    return f"{len(cells)} cells with {'–'.join(str(n) for n in sorted({min(seeds), max(seeds)}))} seeds each"


def tables(cells: dict[tuple[Any, ...], list[dict[str, Any]]]) -> None:
    for table in ("iddpm", "ddpm"):
        print(f"\n**{table}**\n")
        quality = " | ".join(f"{name}-fashion-cnn" for name in QUALITY)
        head = "predicts | schedule | T | objective | Σ | seeds | bits/dim of the input | rate | distortion"
        print(f"| {head} | bits/dim of the input, {SHARED} images | {quality} |")
        print("|" + "---|" * 13)
        for key, found in sorted(cells.items(), key=lambda item: (item[0][3], item[0][2] != "linear", item[0][1:])):
            belongs = key[0] == table or (table == "ddpm" and key[1:5] == ("eps", "linear", 1000, "simple"))
            if belongs:
                print(f"| {' | '.join(map(str, key[1:]))} | {len(found)} | {' | '.join(columns(found))} |")


COMPARED = (("vlb", "hybrid"), ("hybrid", "simple"), ("vlb", "simple"))


def gaps(folder: Path, images: int) -> list[str]:
    """Bits/dim of one objective less that of another, of T = 4000 less that of 1000, and of μ less that of ε."""
    of = {}
    for run in runs(images):
        if (path := run.path(folder) / "bits.npz").exists():
            with np.load(path) as file:
                of[(*run.cell, run.seed)] = file["rate"] + file["distortion"]
    groups = sorted({key[:-1] for key in of})
    pairs = [(a, b) for a in groups for b in groups if a[:3] == b[:3] and a[0] == "eps" and (a[3], b[3]) in COMPARED]
    pairs += [(a, b) for a in groups for b in groups if a[2] == 4000 and b == (*a[:2], 1000, *a[3:])]
    pairs += [(a, b) for a in groups for b in groups if (a[0], b[0]) == ("mu", "eps") and a[1:] == b[1:]]
    lines = []
    for a, b in pairs:
        seeds = [seed for seed in SEEDS if (*a, seed) in of and (*b, seed) in of]
        if seeds:
            found = gap(*(np.stack([of[(*cell, seed)] for seed in seeds]) for cell in (a, b)))
            lines.append(f"- {' '.join(map(str, a))} − {' '.join(map(str, b))}: {found}")
    return lines


def raw(folder: Path, images: int) -> list[dict[str, Any]]:
    """What was measured of every run, with the bits of each image."""
    rows = []
    for run in runs(images):
        path = run.path(folder)
        if (path / "measured.json").exists():
            row = {**asdict(run), **json.loads((path / "measured.json").read_text())}
            if (path / "bits.npz").exists():
                with np.load(path / "bits.npz") as file:
                    row["of_each_image"] = {name: np.round(file[name], 5).tolist() for name in file.files}
            rows.append(row)
    return rows


def shared(path: Path) -> float | None:
    """Bits/dim of the images that every run is measured on, whatever its T."""
    if (path / "bits.npz").exists():
        with np.load(path / "bits.npz") as file:
            return float((file["rate"] + file["distortion"])[:SHARED].mean())
    found = sorted(path.glob("bits_per_dim/*/terms.npz"))
    if not found:
        return None
    with np.load(found[-1]) as file:
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
    parser.add_argument("part", choices=("train", "measure", "both", "report"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, choices=tuple(BUDGETS), default=48_000, help="the budget of a training")
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--first", type=int, help="so many runs at most")
    parser.add_argument("--save", type=Path, help="report: a file for all that was measured")
    arguments = parser.parse_args()
    if arguments.part == "report":
        return report(arguments.folder, arguments.save)
    k, n = map(int, arguments.share.split("/"))
    share = runs(arguments.images)[k::n][: arguments.first]
    return {"train": train, "measure": measure, "both": both}[arguments.part](arguments.folder, share)


if __name__ == "__main__":
    main()
