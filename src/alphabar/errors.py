"""The one exception that means "the input is wrong": the command line prints its sentence and exits with status 2."""


class AlphabarError(ValueError):
    """One sentence for the person who made the mistake: what is wrong, the value, what would be right."""
