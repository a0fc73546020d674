"""Our modules in the order of the network, for the tables of the formats that follow it."""

from collections.abc import Callable, Iterator

from alphabar.interop.keys import Layout


def encoder(layout: Layout) -> Iterator[tuple[str, int, int]]:
    """(our block, level, number in the level), from the finest level down."""
    for level in range(layout.levels):
        for block in range(layout.blocks):
            yield f"down.{level}.blocks.{block}", level, block


def decoder(layout: Layout) -> Iterator[tuple[str, int, int]]:
    """(our block, number of the stage, number in it), from the coarsest level up."""
    for stage in range(layout.levels):
        for block in range(layout.blocks + 1):
            yield f"up.{stage}.blocks.{block}", stage, block


def blocks(layout: Layout, down: Callable[[int], str], up: Callable[[int], str]) -> Iterator[tuple[str, str, int]]:
    """(our block, their level, number in the level), on the way down and up; down, up: the number -> their level."""
    for ours, level, block in encoder(layout):
        yield ours, down(level), block
    for ours, stage, block in decoder(layout):
        yield ours, up(stage), block
