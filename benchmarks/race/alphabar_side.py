"""alphabar's side: `alphabar train` and `alphabar sample`, as a user runs them, with a clock of CPU time."""

import json
import resource
import subprocess
import sys

from benchmarks.race.task import Task
from safetensors.torch import load_file


def run(task: Task) -> None:
    """Train for the budget, then sample."""
    start = train(task, "start", "training.steps=1", "training.sample_every=0")
    if start >= 60 * task.minutes:
        raise SystemExit(f"Its start alone takes {start:.0f} CPU seconds; give the sides more --minutes.")
    spent = train(task, "run", f"training.minutes={task.minutes - start / 60}")
    costs = sample(task)
    (weights,) = sorted((task.path / "run" / "checkpoints").glob("step-*/ema*.safetensors"))[-1:]
    parameters = sum(tensor.numel() for tensor in load_file(weights).values())
    batch, images = task.settings["training"]["batch_size"], images_seen(task)
    task.finish(parameters=parameters, batch=batch, images=images, cpu_minutes=spent / 60, samplers=costs)


def images_seen(task: Task) -> int:
    """The training images of the run, by the last line of its metrics."""
    last = (task.path / "run" / "metrics.jsonl").read_text().splitlines()[-1]
    return int(json.loads(last)["images"])


def train(task: Task, name: str, *length: str) -> float:
    """CPU seconds of a training of that length."""
    arguments = [f"training.{way}=none" for way in ("epochs", "steps", "images", "minutes")]
    if task.path.name == "alphabar-unconditional":
        arguments += ["network.class_conditional=false", "network.label_dropout=0"]
    arguments += [*length, f"training.seed={task.seed}", "--run", str(task.path / name)]
    return alphabar("train", task.recipe, *arguments)


def sample(task: Task) -> dict[str, float]:
    """Sample with the recipe's own sampler; CPU milliseconds per image, by the sampler's name and network calls."""
    out = task.path / "images"
    run, count = str(task.path / "run"), str(task.count)
    cost = alphabar("sample", run, "--num", count, "--film", "none", "--out", str(out))
    settings = json.loads((out / "settings.json").read_text())
    name = f"{settings['sampler']}-{settings.get('network_calls', settings['steps'])}"
    (out / "samples.npz").rename(task.path / f"{name}.npz")
    return {name: 1000 * cost / task.count}


def alphabar(*arguments: str) -> float:
    """CPU seconds of the command and of every process that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "benchmarks.race.cpu_clock", *arguments, "--device", "cpu"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    run(Task.read(sys.argv[1]))
