"""A terminal or a pipe that is gone, such as after a hangup, must not end a training that writes to it."""

import os
import select

STDOUT, STDERR = 1, 2


def outlive() -> None:
    """Send stdout and stderr to nowhere if what they were connected to is gone: writing there would be an error."""
    for number in (STDOUT, STDERR):
        if _is_gone(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def _is_gone(number: int) -> bool:
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
