"""The model card: README.md of a repository, for people and for the Hub."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from alphabar.evaluation.report import number
from alphabar.sharing.facts import Facts
from alphabar.sharing.header import header
from alphabar.terminal import printable

RECIPE = {
    "network": ("name", "preset", "channels", "channel_mult", "num_blocks", "attention_resolutions", "dropout",
                "label_dropout"),
    "diffusion": ("steps", "schedule", "parameterization", "variance", "objective", "weighting", "timestep_sampler"),
    "optimizer": ("name", "learning_rate", "betas", "warmup_steps"),
    "training": ("batch_size", "ema_rates", "precision", "seed"),
    "data": ("image_size", "channels", "resize", "crop", "holdout", "horizontal_flip", "augment"),
}  # fmt: skip
"""The settings that a card lists; all of them are in config.json."""
NOT_STATED = "not stated"
_SHOWN = 100


def card(name: str, facts: Facts, licence: str | None, picture: tuple[str, str], to: str | None) -> str:
    """The text of README.md for the repository owner/`name`.

    licence: that of the weights. picture: the name of its file, and what it shows. to: the format of another program
    that the weights lie there in, too.
    """
    blocks = [
        header(name.split("/")[1], facts, licence, to == "diffusers"),
        f"# {_text(name.split('/')[1])}",
        _what(facts),
        f"![samples]({picture[0]})\n\n{_text(picture[1])}",
        "## Use\n\n" + _use(name, to),
        "## Data\n\n" + _data(facts),
        "## Training\n\n" + "\n".join(_training(facts)),
        "## Scores\n\n" + _scores(facts),
        "## Licence and origin\n\n" + _licence(facts, licence),
    ]
    return "\n\n".join(blocks) + "\n"


def _what(facts: Facts) -> str:
    channels, height, width = facts.shape
    kind = {1: "grey", 3: "RGB", 4: "RGBA"}.get(channels, f"{channels}-channel")
    names = ", ".join(map(_text, facts.classes[:_SHOWN])) + (" …" if len(facts.classes) > _SHOWN else "")
    classes = f"It is conditioned on {len(facts.classes)} classes: {names}." if facts.classes else "It has no classes."
    return (
        f"A denoising diffusion model of pixels: it samples {kind} images of {height}×{width}. {classes} Its network "
        f"has {facts.parameters:,} parameters, stored as {facts.dtype} here. By default it is sampled by "
        f"{_text(facts.sampling)} in {facts.steps_per_image:,} steps."
    )


def _use(name: str, to: str | None) -> str:
    lines = [
        "```",
        'pip install "alphabar[hub]"',
        f"alphabar pull hf:{name} model",
        "alphabar sample model --num 16",
        "```",
        "",
        "```python",
        "import alphabar",
        "",
        f'model = alphabar.load("hf:{name}")',
        'model.sample(16).save("samples.png")',
        "```",
    ]
    if to == "diffusers":
        lines += ["", "In diffusers:", "", "```python", "from diffusers import DDPMPipeline", ""]
        lines += [f'DDPMPipeline.from_pretrained("{name}")', "```"]
    return "\n".join(lines)


def _data(facts: Facts) -> str:
    if not facts.fingerprint:
        return "What the model was trained on is not known: it was imported from another program."
    source = "The author's own images" if facts.is_own_data else f"The data set {_text(facts.data)}"
    count = f"{facts.count:,} images" if facts.count is not None else "their number is not recorded"
    return f"{source}: {count}, sha256 of the pixels and labels as the network sees them `{facts.fingerprint}`."


def _training(facts: Facts) -> Iterator[str]:
    if facts.is_imported and not facts.fingerprint:
        yield "The weights were imported, and were not trained further."
        return
    seen = f", {facts.images:,} images seen" if facts.images is not None else ""
    time = f", {_duration(facts.seconds)} of training" if facts.seconds is not None else ""
    yield f"{facts.step:,} steps{seen}{time}. The weights are `{facts.weights}`. All settings are in `config.json`:"
    yield ""
    yield "| setting | value |"
    yield "|---|---|"
    for section, keys in RECIPE.items():
        for key in keys:
            if (value := facts.settings.get(section, {}).get(key)) not in (None, ""):
                yield f"| {section}.{key} | {_text(_written(value))} |"


def _scores(facts: Facts) -> str:
    if not facts.scores:
        return "None were measured on these weights."
    heads = ("score", "value", "95 % interval", "measured on", "against", "unit")
    rows = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for score in facts.scores:
        interval = "–" if score.interval is None else "…".join(map(number, score.interval))
        cells = (score.name, number(score.value), interval, score.how, score.against, score.unit)
        rows.append("| " + " | ".join(map(_text, cells)) + " |")
    meanings: dict[str, list[str]] = {}
    for score in facts.scores:
        if score.interval_of:
            what = f"the interval is of {score.interval_of}" if score.interval else f"no interval: {score.interval_of}"
            meanings.setdefault(what.replace("no interval: nothing: ", "no interval: "), []).append(score.name)
    notes = [f"{_text(', '.join(dict.fromkeys(of)))}: {_text(what)}." for what, of in meanings.items()]
    limits = dict.fromkeys(warning for score in facts.scores for warning in score.warnings)
    notes += [f"Warning: {_text(warning)}." for warning in limits]
    rounded = f"They were measured before the weights were rounded to {facts.dtype}." * (facts.dtype != "float32")
    return "\n".join([*rows, "", *(f"- {note}" for note in [*notes, rounded] if note)]).rstrip()


def _licence(facts: Facts, licence: str | None) -> str:
    lines = [f"Licence of these weights: {_text(licence or NOT_STATED)}."]
    if facts.origin is not None:
        lines.append(_origin(facts.origin, facts.is_imported))
    return " ".join(lines)


def _origin(origin: Mapping[str, Any], is_imported: bool) -> str:
    source, licence = (_text(str(origin.get(key) or NOT_STATED)) for key in ("source", "licence"))
    kind = f" (format {_text(str(origin['format']))})" if origin.get("format") else ""
    how = "They are the weights of" if is_imported else "Their training started from the weights of"
    return f"{how} {source}{kind}, whose licence is {licence}."


def _written(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min"
        if minutes
        else f"{seconds:.0f} s"
    )


def _text(text: str) -> str:
    """Text of somebody's as Markdown shows it: never as a link, a heading, a table or HTML."""
    return re.sub(r"([\\`*\[\]<>|!#&~])", r"\\\1", printable(text))
