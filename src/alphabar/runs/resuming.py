"""Which settings and images a run may be resumed with. Nothing here imports torch, so that a refusal comes at once."""

import shlex
from collections.abc import Set
from contextlib import suppress
from pathlib import Path
from typing import Any

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import read_json
from alphabar.runs.naming import is_one, steps


def named_by(path: Path) -> Path | None:
    """The run directory that `path` means: itself, its config.json, or one of its checkpoints; None if it means none.

    AlphabarError for a checkpoint that is not the newest, since a run is resumed from that.
    """
    try:
        is_checkpoint = is_one(path) and path.is_dir()
        folder = path.parents[1] if is_checkpoint else path.parent if path.name == "config.json" else path
        if not (folder / "config.json").is_file():
            return None
        newest = steps(path.parent)[-1].name if is_checkpoint else path.name
    except (OSError, ValueError, IndexError):
        return None  # a path that no system knows
    if newest != path.name:
        raise AlphabarError(
            f"{folder} is resumed from its newest checkpoint, {newest}, and not from {path.name}; a new run starts "
            f"from that with --from {path}."
        )
    return folder


def own_settings(run: Path) -> dict[str, Any]:
    """The settings of a run, by section, as its latest start had them."""
    path = run / "config.json"
    try:
        settings = read_json(path)
        if not isinstance(settings, dict):
            raise ValueError("it is not a table of settings")
        return c.parse(settings).model_dump(mode="json")
    except AlphabarError as error:
        why = str(error.args[0]).rstrip(".")
        raise AlphabarError(f"The settings in {path} do not fit this version of alphabar ({why}).") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise AlphabarError(f"The settings in {path} cannot be read ({why}).") from None


def check_settings(run: Path, old: c.Config, new: c.Config, allowed: Set[str] = frozenset()) -> list[str]:
    """The changes from `old`, the settings of the run's checkpoint, that are recorded, as 'key: old -> new'.

    allowed: the settings that may be changed on purpose (`config.check_allowed`). A change that was allowed at an
    earlier start, which wrote it into config.json, need not be allowed again. AlphabarError for any other change that
    makes another run.
    """
    if changed := refused(run, old, new, allowed):
        raise AlphabarError(_refusal(run, changed))
    return c.remedies(old, new)


def refused(run: Path, old: c.Config, new: c.Config, allowed: Set[str]) -> dict[str, str]:
    """The changes that make another run, and were not allowed, as {key: 'key: old -> new'}; see `check_settings`."""
    changed = c.differences(old, new)
    if not set(changed) - allowed:
        return {}
    granted = allowed | (c.ALLOWABLE - set(c.differences(_of_latest_start(run, old), new)))
    return {key: change for key, change in changed.items() if key not in granted}


def _of_latest_start(run: Path, old: c.Config) -> c.Config:
    try:
        return c.parse(own_settings(run))
    except AlphabarError:  # it is written anew
        return old


def _refusal(run: Path, refused: dict[str, str]) -> str:
    on_purpose = [f"--allow {key}" for key in refused if key in c.ALLOWABLE]
    allow = f", allow the change with {' '.join(on_purpose)}" if len(on_purpose) == len(refused) else ""
    return (
        f"The run in {run} was made with other settings ({'; '.join(refused.values())}); "
        f"restore them to resume it, as `alphabar train {shlex.quote(str(run))}` does{allow}, or choose another --run."
    )


def check_early(run: Path, new: c.Config, allowed: Set[str] = frozenset()) -> None:
    """`check_settings` with the newest checkpoint's settings as they stand, before it is verified and images are read.

    Nothing happens if they cannot be read: what the checkpoint is worth is found when it is opened.
    """
    if (old := newest_settings(run)) is not None:
        check_settings(run, old, new, allowed)


def newest_settings(run: Path) -> c.Config | None:
    """The settings of the newest checkpoint that has any, not verified; None if there is no checkpoint."""
    for path in reversed(steps(run / "checkpoints")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return c.parse(read_json(path / "state.json")["config"])
    return None


def check_images(run: Path, old: c.ImageFacts, new: c.ImageFacts) -> None:
    """AlphabarError if the images are not those that the run was trained on."""
    if old != new:
        raise AlphabarError(
            f"The run in {run} was trained on other images ({_summary(old)}) than these ({_summary(new)}); "
            "restore the same images, or choose another --run."
        )


def _summary(facts: c.ImageFacts) -> str:
    shape = "x".join(map(str, facts.shape))
    return f"{shape}, {len(facts.class_names)} classes, sha256 {facts.fingerprint[:12]}"
