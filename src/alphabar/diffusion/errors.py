"""The one exception of the pure mathematics."""


class DiffusionError(ValueError):
    """A value for which a formula is not defined; the message is one sentence for people."""
