"""Our U-Net against diffusers' UNet2DModel: speed and memory of a training step and of a sampling forward.

Both networks have the same layers and the same number of parameters, and each side trains as its users do:

  alphabar    channels_last, q_sample, MSE, clip_grad_norm_ 1, fused Adam, EMA
  diffusers   its `train_unconditional.py`: add_noise, UNet2DModel(x, t).sample, MSE, clip_grad_norm_ 1, AdamW, EMAModel

One thread; in every round each side runs once, in alternating order. A ratio is the median over the rounds of
diffusers' time ÷ our time, [lowest - highest], of process CPU time and of wall time; above 1 we are faster.
Memory is measured in a fresh process per side and workload: the peak resident set over 4 steps (ru_maxrss), less what
was resident once the network was built. So it holds gradients, optimizer, EMA and activations; no imports, no weights.

    PYTHONPATH=src python benchmarks/against_diffusers.py --rounds 9
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

Step = Callable[[], None]


@dataclass(frozen=True)
class Workload:
    image_channels: int
    channels: int
    channel_mult: tuple[int, ...]
    dropout: float
    batch: int
    task: str

    def batch_of_images(self) -> Tensor:
        return torch.rand(self.batch, self.image_channels, 32, 32) * 2 - 1


SMALL = (1, 64, (1, 2, 2), 0.0)
CIFAR10 = (3, 128, (1, 2, 2, 2), 0.1)
WORKLOADS = {
    "6.5 M train": Workload(*SMALL, batch=16, task="train"),
    "6.5 M sample": Workload(*SMALL, batch=8, task="sample"),
    "35.7 M train": Workload(*CIFAR10, batch=8, task="train"),
    "35.7 M sample": Workload(*CIFAR10, batch=8, task="sample"),
}


# The two sides: each builds its network, then turns it into a step to be timed.


def our_network(work: Workload) -> nn.Module:
    from alphabar.networks import UNet

    network = UNet(
        image_size=(32, 32),
        in_channels=work.image_channels,
        out_channels=work.image_channels,
        channels=work.channels,
        channel_mult=work.channel_mult,
        dropout=work.dropout,
    )
    return network.to(memory_format=torch.channels_last)


def our_training(network: nn.Module, work: Workload) -> Step:
    from alphabar.diffusion import linear, q_sample
    from alphabar.training.optimizers.ema import EMA

    schedule = linear(1000)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4, fused=True)
    ema = EMA(network, rates=(0.9999,))
    x0 = work.batch_of_images()

    def step() -> None:
        eps, t = torch.randn_like(x0), torch.randint(1, 1001, (work.batch,))
        loss = F.mse_loss(network(q_sample(schedule, x0, t, eps), t - 1), eps)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(network)

    return step


def our_sampling(network: nn.Module, work: Workload) -> Step:
    x, time_ = work.batch_of_images(), torch.full((work.batch,), 500)
    network.eval()

    @torch.no_grad()
    def step() -> None:
        network(x, time_)

    return step


def their_network(work: Workload) -> nn.Module:
    from diffusers import UNet2DModel

    levels = len(work.channel_mult)
    attends = [level == 1 for level in range(levels)]  # the 16×16 level
    network: nn.Module = UNet2DModel(
        sample_size=32,
        in_channels=work.image_channels,
        out_channels=work.image_channels,
        layers_per_block=2,
        block_out_channels=tuple(work.channels * mult for mult in work.channel_mult),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        attention_head_dim=None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        dropout=work.dropout,
    )
    return network


def their_training(network: nn.Module, work: Workload) -> Step:
    from diffusers import DDPMScheduler
    from diffusers.training_utils import EMAModel

    scheduler = DDPMScheduler(num_train_timesteps=1000)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
    ema = EMAModel(network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    x0 = work.batch_of_images()

    def step() -> None:
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (work.batch,))
        loss = F.mse_loss(network(scheduler.add_noise(x0, noise, t), t).sample, noise)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(network.parameters())

    return step


def their_sampling(network: nn.Module, work: Workload) -> Step:
    x, t = work.batch_of_images(), torch.tensor(500)
    network.eval()

    @torch.no_grad()
    def step() -> None:
        _ = network(x, t).sample

    return step


class Side(NamedTuple):
    network: Callable[[Workload], nn.Module]
    train: Callable[[nn.Module, Workload], Step]
    sample: Callable[[nn.Module, Workload], Step]

    def step(self, network: nn.Module, work: Workload) -> Step:
        return (self.train if work.task == "train" else self.sample)(network, work)


SIDES = {
    "alphabar": Side(our_network, our_training, our_sampling),
    "diffusers": Side(their_network, their_training, their_sampling),
}


# Time


class Seconds(NamedTuple):
    cpu: float
    wall: float


def timed(step: Step) -> Seconds:
    cpu, wall = time.process_time(), time.perf_counter()
    step()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def race(work: Workload, rounds: int) -> tuple[dict[str, list[Seconds]], int]:
    """The seconds of each side in each round, and the number of parameters that both have."""
    torch.manual_seed(0)
    networks = {name: side.network(work) for name, side in SIDES.items()}
    counts = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
    if len(set(counts.values())) != 1:
        raise SystemExit(f"The two networks differ in size, so a ratio would mean nothing: {counts}.")
    steps = {name: side.step(networks[name], work) for name, side in SIDES.items()}
    for step in steps.values():  # first calls allocate
        step()
        step()
    seconds: dict[str, list[Seconds]] = {name: [] for name in steps}
    for turn in range(rounds):
        for name in sorted(steps, reverse=turn % 2 == 1):
            seconds[name].append(timed(steps[name]))
    return seconds, counts["alphabar"]


def ratio(seconds: dict[str, list[Seconds]], clock: str) -> str:
    pairs = zip(seconds["diffusers"], seconds["alphabar"], strict=True)
    ratios = sorted(getattr(theirs, clock) / getattr(ours, clock) for theirs, ours in pairs)
    return f"{median(ratios):.2f} [{ratios[0]:.2f} - {ratios[-1]:.2f}]"


def rate(seconds: list[Seconds], batch: int) -> str:
    return f"{batch / median(s.cpu for s in seconds):.2f}"


# Memory


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def report_peak(side: str, workload: str) -> None:
    """What a child process prints: MiB by which its peak exceeds what it held with the network built."""
    work = WORKLOADS[workload]
    network = SIDES[side].network(work)
    for module in ("alphabar.diffusion", "alphabar.training.optimizers.ema", "diffusers", "diffusers.training_utils"):
        import_module(module)
    baseline = resident_mib()
    step = SIDES[side].step(network, work)
    for _ in range(4):
        step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - baseline)


def peak_mib(side: str, workload: str) -> float:
    command = [sys.executable, __file__, "--peak", side, workload]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="times that each side runs each workload")
    parser.add_argument("--only", choices=WORKLOADS, help="run this workload alone")
    parser.add_argument("--peak", nargs=2, metavar=("SIDE", "WORKLOAD"), help="measure one peak in this process")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        report_peak(*arguments.peak)
        return
    table = Table(title=f"alphabar against diffusers, 1 thread, {arguments.rounds} rounds, 32×32 images")
    for column in (
        "workload",
        "parameters",
        "batch",
        "images/s: ours",
        "theirs",
        "CPU time ratio",
        "wall ratio",
        "MiB: ours",
        "theirs",
        "ratio",
    ):
        table.add_column(column, justify="left" if column == "workload" else "right")
    names = [arguments.only] if arguments.only else list(WORKLOADS)
    # Memory first, while this process is small: a child inherits the ru_maxrss of its parent.
    peaks = {name: (peak_mib("alphabar", name), peak_mib("diffusers", name)) for name in names}
    for name in names:
        work = WORKLOADS[name]
        seconds, parameters = race(work, arguments.rounds)
        ours, theirs = peaks[name]
        table.add_row(
            name,
            f"{parameters:,}",
            str(work.batch),
            rate(seconds["alphabar"], work.batch),
            rate(seconds["diffusers"], work.batch),
            ratio(seconds, "cpu"),
            ratio(seconds, "wall"),
            f"{ours:.0f}",
            f"{theirs:.0f}",
            f"{theirs / ours:.2f}",
        )
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
