"""`alphabar doctor`: what a report of a fault should hold, and known traps."""

from alphabar.terminal import say


def doctor() -> None:
    """Show versions, processor, devices and places, for a report of a fault; and warn of known traps."""
    from alphabar.api.doctor import doctor as looked_at

    lines, traps = looked_at()
    width = max(map(len, lines))
    for name, value in lines.items():
        say(f"{name:{width}}  {value}")
    for trap in traps:
        say(f"warning: {trap}")
    if not traps:
        say("no known trap was found")
