"""The settings of a run: a recipe or a run's own, the data, the weights that it starts from, a plan, overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabar import config as c
from alphabar.api import recipe_or_run
from alphabar.runs import origin, resuming
from alphabar.runs.origin import Origin


@dataclass(frozen=True)
class Resolved:
    """The settings of a run, and what was planned of them, in lines for people."""

    config: c.Config
    plan: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What the user named; see `alphabar.train`. path: the run directory."""

    recipe: str | Path
    path: Path
    data: str | Path | None = None
    overrides: Mapping[str, Any] | Sequence[str] = ()
    data_root: str | Path | None = None
    minutes: float | None = None
    device: str = "auto"

    def resolved(self, start: Origin | None = None) -> Resolved:
        """The settings of the run, which starts from the weights of `start`; AlphabarError if they do not fit.

        What the recipe leaves to a plan is planned, unless it was named, or the run exists, which keeps its plan.
        """
        settings = self._without_plan()
        planned = self._planned(self._parsed(settings))
        lines: list[str] = []
        if planned and (existing := resuming.newest_settings(self.path)) is not None:
            settings = c.merge(settings, c.only(existing, planned))
            planned = frozenset()
        if planned:
            settings, lines = self._with_plan(settings, planned, start)
        elif start is not None:
            settings = c.merge(settings, origin.settings(start, self._parsed(settings)))
        config = self._with_precision_of_run(c.absolute(self._parsed(settings)))
        if start is not None:
            origin.check_meaning(start.path, start.config, config)
        return Resolved(config, tuple(lines))

    def _with_precision_of_run(self, config: c.Config) -> c.Config:
        """`config` with what training.precision=auto chose when the run began, if it has begun."""
        existing = resuming.newest_settings(self.path) if config.training.precision == "auto" else None
        if existing is None:
            return config
        training = config.training.model_copy(update={"precision": existing.training.precision})
        return config.model_copy(update={"training": training})

    def _parsed(self, settings: dict[str, Any]) -> c.Config:
        """The config of `settings`; what the user named counts last."""
        minutes = {} if self.minutes is None else {"training.minutes": self.minutes}
        return c.parse(c.merge(c.merge(settings, minutes), self.overrides))

    def _without_plan(self) -> dict[str, Any]:
        settings = recipe_or_run.settings(self.recipe)
        if self.data_root is not None:
            settings = c.merge(settings, {"data.root": str(self.data_root)})
        if self.data is None:
            return settings
        self._parsed(settings)  # a mistake in the settings is reported before torch is imported

        from alphabar.data import detect

        kind = c.merge({}, self.overrides).get("data", {}).get("name") or detect(Path(self.data))
        return c.merge(settings, {"data.name": kind, "data.path": str(self.data)})

    def _planned(self, config: c.Config) -> frozenset[str]:
        """The settings that are left to a plan. A run that is named itself keeps its own."""
        if recipe_or_run.run_named(self.recipe) is not None:
            return frozenset()
        named = c.merge({}, self.overrides)
        of_user = {f"{section}.{name}" for section, values in named.items() for name in values}
        return frozenset(config.training.planned) - of_user

    def _with_plan(
        self, settings: dict[str, Any], planned: frozenset[str], start: Origin | None
    ) -> tuple[dict[str, Any], list[str]]:
        """`settings` with the plan put in, and its lines. A network whose weights come from `start` is not planned."""
        from alphabar import build
        from alphabar.training.planning import plan

        device = build.device(self.device)
        config = self._left_to_plan(settings, planned)
        of_data = plan.of_data(config, device, None if start is None else start.side)
        settings = c.merge(settings, of_data.only(planned))
        if start is not None:
            taken = origin.settings(start, self._parsed(settings))
            settings, planned = c.merge(settings, taken), planned - taken.keys()
        config = self._left_to_plan(settings, planned)
        size = config.data.image_size or build.image_set(config.data).images.shape[2:]
        of_network = plan.of_network(config, (size[0], size[1]), device)
        settings = c.merge(settings, of_network.only(planned))
        return settings, [*of_data.lines(planned), *of_network.lines(planned)]

    def _left_to_plan(self, settings: dict[str, Any], planned: frozenset[str]) -> c.Config:
        config = self._parsed(settings)
        return config.model_copy(
            update={"training": config.training.model_copy(update={"planned": tuple(sorted(planned))})}
        )
