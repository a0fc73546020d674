"""How much noise a sampler may add."""


def check_eta(sampler: str, eta: float) -> None:
    """ValueError unless 0 ≤ η ≤ 1: from the flow to the whole reverse SDE."""
    if not 0 <= eta <= 1:
        raise ValueError(f"The eta of {sampler} must lie in [0, 1]; got {eta:g}.")
