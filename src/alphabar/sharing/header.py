"""The head of a model card: what the Hub reads of it, as YAML."""

import json
from collections.abc import Mapping
from typing import Any

from alphabar.sharing.facts import Facts
from alphabar.sharing.scores import Score

LIBRARY = "alphabar"
TASK = "unconditional-image-generation"
ON_THE_HUB = {
    "cifar10": "uoft-cs/cifar10",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "mnist": "ylecun/mnist",
}
"""The names on the Hub of published data sets."""


def header(name: str, facts: Facts, licence: str | None, diffusers: bool) -> str:
    """The YAML between the two lines of dashes. Each value is JSON, which YAML contains.

    licence: an identifier of the Hub's, such as mit; None leaves it out.
    """
    entries: dict[str, Any] = {
        **({"license": licence} if licence else {}),
        "library_name": LIBRARY,
        "pipeline_tag": TASK,
        "tags": _tags(facts, diffusers),
        **({"datasets": [ON_THE_HUB[facts.data]]} if facts.data in ON_THE_HUB else {}),
        **({"base_model": base} if (base := base_model(facts)) else {}),
        **({"model-index": [{"name": name, "results": _results(facts)}]} if facts.scores else {}),
    }
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items())
    return "\n".join(["---", *lines, "---"])


def base_model(facts: Facts) -> str | None:
    """The name on the Hub of the model that the weights come from, if it is there."""
    source = str((facts.origin or {}).get("source", ""))
    return source.removeprefix("hf:") if source.startswith("hf:") else None


def _tags(facts: Facts, diffusers: bool) -> list[str]:
    kind = "class-conditional" if facts.classes else "unconditional"
    return [LIBRARY, "diffusion", "ddpm", "pixel-space", kind, *(["diffusers"] if diffusers else [])]


def _results(facts: Facts) -> list[dict[str, Any]]:
    """The model-index: a result for each way of measuring, with its metrics."""
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in facts.scores:
        groups.setdefault((score.how, score.against), []).append(score)
    return [
        {
            "task": {"type": TASK, "name": how},
            "dataset": _dataset(group[0]),
            "metrics": [_metric(score) for score in group],
        }
        for (how, _), group in groups.items()
    ]


def _dataset(score: Score) -> dict[str, str]:
    """The real images of an evaluation, which need not be those of the training."""
    name, split = score.data or score.against, {"split": score.split} if score.split else {}
    return {"name": name, "type": ON_THE_HUB.get(score.data, score.data or "other"), **split}


def _metric(score: Score) -> Mapping[str, Any]:
    interval = {"confidence": list(score.interval)} if score.interval else {}
    return {"type": score.name.lower(), "name": f"{score.name} ({score.unit})", "value": score.value, **interval}
