"""The machine as alphabar sees it: versions, processor, memory, devices, places."""

import os
import platform
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from alphabar.data import workers
from alphabar.data.memory import in_bytes, machine_bytes
from alphabar.files import cache_folder
from alphabar.networks.allocator import keep_memory
from alphabar.runs import provenance

PACKAGES = (
    "numpy", "pillow", "safetensors", "diffusers", "huggingface_hub", "onnx", "onnxruntime", "pyarrow", "datasets",
    "tensorboard", "efficientnet-lite-pytorch",
)  # fmt: skip
"""Beside torch: what results or the extras depend on."""
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "bf16", "sve")
"""The instructions of a processor that decide how fast it computes."""
CPU_INFO, CPU_MAX = Path("/proc/cpuinfo"), Path("/sys/fs/cgroup/cpu.max")
WRITTEN = 16 << 20
"""Bytes that are written to measure a disk."""


@dataclass(frozen=True)
class Machine:
    """What is known of this machine."""

    versions: Mapping[str, str]
    """The versions of alphabar, Python, torch, and the packages that are installed."""
    platform: str
    processor: str
    flags: tuple[str, ...]
    """The elements of FLAGS that the processor has."""
    cores: float
    """How many this process may use: the machine's, or its container's share if that is lower."""
    threads: int
    """How many threads torch uses."""
    memory: int
    """Bytes that this process may use."""
    keeps_memory: bool
    """Whether the allocator keeps the memory of a step for the next one."""
    cuda: str | None
    """The version of CUDA that torch was built for."""
    gpus: tuple[str, ...]
    has_nvidia_driver: bool
    has_mps: bool
    uses_mkl: bool
    runs: Path
    """Where runs are made: the folder `runs` here, or the one that it would be made in."""
    cache: Path
    free: Mapping[Path, int]
    """Free bytes at both places."""
    disk_speed: float | None
    """Bytes a second that reach the disk of the runs; None if nothing can be written there."""

    def lines(self) -> dict[str, str]:
        """For people: what each thing is called, and what it is here."""
        gpus = ", ".join(self.gpus) or ("Apple's (mps)" if self.has_mps else "none")
        speed = "cannot be written" if self.disk_speed is None else f"written at {self.disk_speed / 1e6:,.0f} MB/s"
        return {
            **self.versions,
            "system": self.platform,
            "processor": f"{self.processor} ({', '.join(self.flags) or 'no fast instructions that are known'})",
            "cores": f"{self.cores:g}, of which torch uses {self.threads}",
            "memory": f"{in_bytes(self.memory)}, {'kept' if self.keeps_memory else 'not kept'} from step to step",
            "GPUs": f"{gpus}; torch is built for {f'CUDA {self.cuda}' if self.cuda else 'none of NVIDIA'}",
            "runs": f"{self.runs} ({in_bytes(self.free.get(self.runs, 0))} free, {speed})",
            "cache": f"{self.cache} ({in_bytes(self.free.get(self.cache, 0))} free)",
        }


def looked_at(runs: Path = Path("runs")) -> Machine:
    """This machine; 16 MiB are written beside the runs, to measure their disk, and removed."""
    name, flags = _processor()
    runs, cache = _existing(runs.absolute()), cache_folder("").absolute()
    places = {runs: runs, cache: _existing(cache)}
    return Machine(
        versions=_versions(),
        platform=platform.platform(),
        processor=name,
        flags=tuple(flag for flag in FLAGS if flag in flags),
        cores=cores(),
        threads=torch.get_num_threads(),
        memory=machine_bytes(),
        keeps_memory=keep_memory(),
        cuda=torch.version.cuda,
        gpus=tuple(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())),
        has_nvidia_driver=Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None,
        has_mps=torch.backends.mps.is_available(),
        uses_mkl=torch.backends.mkl.is_available(),  # type: ignore[no-untyped-call]
        runs=runs,
        cache=cache,
        free={place: shutil.disk_usage(where).free for place, where in places.items()},
        disk_speed=_disk_speed(runs),
    )


def _versions() -> dict[str, str]:
    own = {name: str(value) for name, value in provenance.versions().items() if value}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            own[package] = version(package)
    return own


def _processor() -> tuple[str, frozenset[str]]:
    """The name of the processor and its flags; what the platform knows, where Linux does not say more."""
    try:
        entries = [line.partition(":") for line in CPU_INFO.read_text(errors="replace").splitlines()]
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    said = {key.strip(): value.strip() for key, _, value in reversed(entries)}
    names = [said[key] for key in ("vendor_id", "model name") if key in said]
    return " ".join(names) or platform.machine(), frozenset((said.get("flags") or said.get("Features") or "").split())


def cores() -> float:
    """The cores that this process may use, or the share of them that its container leaves it."""
    own = workers.cores()
    try:
        quota, period = CPU_MAX.read_text().split()
        return min(float(own), int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return float(own)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that there is."""
    return next(place for place in (path, *path.parents) if place.is_dir())


def _disk_speed(folder: Path) -> float | None:
    probe = folder / f".alphabar-doctor-{os.getpid()}"
    content = os.urandom(WRITTEN)  # what cannot be compressed
    try:
        began = time.perf_counter()
        with probe.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return WRITTEN / (time.perf_counter() - began)
    except OSError:
        return None
    finally:
        probe.unlink(missing_ok=True)
