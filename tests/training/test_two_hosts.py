"""Two machines train one run: two network namespaces with a cable between them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar.runs import checkpoint
from alphabar.training import loop
from tiny_settings import TINY

PORT = 29471


@pytest.fixture
def hosts() -> Iterator[dict[str, str]]:
    """The names of two namespaces, and the address of each."""
    addresses = {f"alphabar{number}-{os.getpid()}": f"10.77.{os.getpid() % 250}.{number}" for number in (1, 2)}
    cable = [f"ab{number}-{os.getpid() % 10**6}" for number in (1, 2)]
    try:
        for name in addresses:
            ip("netns", "add", name)
        ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for (name, address), end in zip(addresses.items(), cable, strict=True):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield addresses
    finally:
        for name in addresses:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def ip(*args: str) -> None:
    if shutil.which("ip") is None:
        pytest.skip("the command `ip` is not there")
    done = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"network namespaces cannot be made here: {done.stderr.strip()}")


@pytest.mark.heavy
def test_two_hosts_make_the_run_of_one_process(tiny, tmp_path: Path, hosts) -> None:
    first = next(iter(hosts.values()))
    settings = [*TINY, "parallel.exact=true"]
    machines = []
    for name, address in hosts.items():
        torchrun = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
        torchrun += ["--rdzv-endpoint", f"{first}:{PORT}", "--rdzv-id", "two-hosts", "--local-addr", address]
        torchrun += ["--rdzv-conf", f"is_host={int(address == first)}"]
        command = ["ip", "netns", "exec", name, sys.executable, *torchrun, "-m", "--", "alphabar", "train"]
        machines.append(
            subprocess.Popen(
                [*command, "ddpm_digits", "--run", "run", *settings],
                cwd=tmp_path,
                env=os.environ | {"GLOO_SOCKET_IFNAME": f"ab{len(machines) + 1}-{os.getpid() % 10**6}"},
                stderr=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
    for machine in machines:
        _, said = machine.communicate(timeout=240)
        assert machine.returncode == 0, said.decode()
    assert loop.train(tiny("parallel.exact=true"), tmp_path / "alone", torch.device("cpu"), Console(quiet=True))
    there, here = (checkpoint.latest(tmp_path / name / "checkpoints") for name in ("run", "alone"))
    for name in here.names():
        one, two = here.tensors(name), there.tensors(name)
        assert all(torch.equal(one[key], two[key]) for key in one), name
