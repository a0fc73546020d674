"""What the Generate tab does: images that appear while they are sampled, and what can be made of one of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from alphabar.api.edits import plan_interpolation, plan_variation
from alphabar.api.model import Model
from alphabar.api.options import seed_list
from alphabar.app import generated, live
from alphabar.app.generated import Album, Request, Sampled
from alphabar.app.offered import Models
from alphabar.app.shelf import Shelf
from alphabar.app.watched import watched
from alphabar.editing.edit import Edit
from alphabar.errors import AlphabarError


@dataclass(frozen=True)
class Generate:
    """What the events of the tab do, without the tab."""

    models: Models
    shelf: Shelf
    album: Album

    def sample(self, request: Request) -> Iterator[tuple[str, Sampled | None]]:
        """Frames as HTML; the images come with the last one."""
        for frame in generated.sampled(request, self.models.model(request.run)):
            if isinstance(frame, Sampled):
                self.album.add(request, frame)
                yield live.message(f"Done: {len(frame.tensor)} images. Click one to see what can be made of it."), frame
            else:
                yield frame, None

    def images(self, request: Request | None) -> Sampled:
        """The images of a session's last request."""
        if request is None:
            raise AlphabarError("There are no images yet; generate some, and click one of them.")
        return self.album.of(request, self.models.model(request.run))

    def png(self, request: Request | None, k: int) -> str:
        """The file of image k, to download."""
        return str(self.images(request).save(k, self.shelf.place()))

    def film(self, request: Request | None, k: int) -> Iterator[tuple[str, Any]]:
        """The film of image k."""
        self.images(request)
        assert request is not None
        path = self.shelf.place() / f"film-seed-{request.seeds[k]}.gif"
        yield from self._made(request, lambda model: str(generated.film(request, model, k, path)), "Filming")

    def vary(self, request: Request | None, k: int, share: float) -> Iterator[tuple[str, Any]]:
        """Eight variations of image k, noised to the share of T."""
        sampled = self.images(request)
        assert request is not None

        def plan(model: Model) -> Edit:
            return plan_variation(
                model, sampled.picture(k), start=timestep(model, share), label=sampled.class_name(k),
                **dict(request.options),
            )  # fmt: skip

        yield from self._made(request, lambda model: plan(model).images().grid(), "Varying")

    def interpolate(self, request: Request | None, k: int, seed: int, share: float) -> Iterator[tuple[str, Any]]:
        """The images between image k and that of another seed, mixed at the share of T."""
        first = self.images(request)
        assert request is not None
        other = self.images(replace(request, seeds=tuple(seed_list([seed]))))

        def plan(model: Model) -> Edit:
            return plan_interpolation(
                model, first.picture(k), other.picture(0), t=timestep(model, share), label=first.class_name(k),
                **dict(request.options),
            )  # fmt: skip

        yield from self._made(request, lambda model: plan(model).images().grid(), "Interpolating")

    def _made(self, request: Request, work: Callable[[Model], Any], word: str) -> Iterator[tuple[str, Any]]:
        yield from made(self.models.model(request.run), work, word)


def made(model: Model, work: Callable[[Model], Any], word: str) -> Iterator[tuple[str, Any]]:
    """A bar as HTML while the work goes on; its result comes with the last one."""
    for pulse in watched(model, work):
        if pulse.result is None:
            yield live.bar(f"{word}: {pulse.calls} network calls, {pulse.seconds:.0f} s"), None
        else:
            yield live.message(f"Done in {pulse.seconds:.1f} s, {pulse.calls} network calls."), pulse.result


def timestep(model: Model, share: float) -> int:
    """The timestep at a share of T."""
    return max(1, round(share * model.config.diffusion.steps))
