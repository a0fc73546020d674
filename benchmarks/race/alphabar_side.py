"""alphabar's side: `alphabar train` and `alphabar sample`, as a user runs them."""

import json
import resource
import subprocess
import sys

from benchmarks.race.task import Task
from safetensors.torch import load_file

AIM = 0.98
"""The planned part of the budget; the rest is for checkpoints and previews on the way."""
SHORT, LONG = 16, 176
"""Updates of the two trainings that measure what an update costs."""


def run(task: Task) -> None:
    """Train for the budget, then sample."""
    batch = task.settings["training"]["batch_size"]
    short, long = train(task, "calibration-short", SHORT * batch), train(task, "calibration-long", LONG * batch)
    updates = planned_updates(60 * task.minutes, short, long)
    spent = train(task, "run", updates * batch)
    costs = sample(task)
    weights = load_file(next((task.path / "run" / "checkpoints").glob(f"step-{updates:08d}/ema*.safetensors")))
    parameters = sum(tensor.numel() for tensor in weights.values())
    task.finish(parameters=parameters, batch=batch, images=updates * batch, cpu_minutes=spent / 60, samplers=costs)


def planned_updates(budget: float, short: float, long: float) -> int:
    """How many updates fit into `budget` CPU seconds, when SHORT and LONG of them cost so much, the start included."""
    per_update = (long - short) / (LONG - SHORT)
    print(f"an update takes {per_update:.3f} CPU seconds", flush=True)
    return max(1, SHORT + int((AIM * budget - short) / per_update))


def train(task: Task, name: str, images: int) -> float:
    """CPU seconds of a training of so many images."""
    arguments = [f"training.{length}=none" for length in ("epochs", "steps", "minutes")]
    if task.path.name == "alphabar-unconditional":
        arguments += ["network.class_conditional=false", "network.label_dropout=0"]
    arguments += [f"training.images={images}", f"training.seed={task.seed}", "--run", str(task.path / name)]
    return alphabar("train", task.recipe, *arguments, *(["--data-root", task.data_root] if task.data_root else []))


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
    subprocess.run([sys.executable, "-m", "alphabar", *arguments, "--device", "cpu"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    run(Task.read(sys.argv[1]))
