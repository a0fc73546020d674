"""What the network of a recipe costs: its parameters and multiply-adds, known before there are images."""

from alphabar import config as c

KNOWN = {"digits": (1, 8, 10), "mnist": (1, 28, 10), "fashion_mnist": (1, 28, 10), "cifar10": (3, 32, 10),
         "twemoji": (3, 64, 9)}  # fmt: skip
"""Channels, side and classes of the published data sets."""


def costs(recipe: str) -> str:
    """A line about the network of a recipe: '35,746,307 parameters; 6.0 GMACs for one forward pass of 3x32x32'.

    Your own images count as RGB of the recipe's size, and their classes, which are not known, are not counted.
    """
    from alphabar import build

    config = c.load(recipe)
    channels, side, classes = KNOWN.get(config.data.name, (3, 32, 1))
    height, width = config.data.image_size or (side, side)
    shape = (config.data.channels or channels, height, width)
    names = tuple(map(str, range(classes)))
    parameters, multiply_adds = build.cost(config, c.ImageFacts(shape=shape, class_names=names, fingerprint=""))
    more = ""
    if config.network.class_conditional and config.data.name not in KNOWN:
        row = 4 * (config.network.time_channels or config.network.channels)
        parameters, more = parameters - row, f", and {row:,} for each class"
    size = "x".join(map(str, shape))
    return f"{parameters:,} parameters{more}; {multiply_adds / 1e9:.3g} GMACs for one forward pass of {size}"
