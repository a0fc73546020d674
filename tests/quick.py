"""Whether work is quick, in a process that does other things, too."""

import time
from collections.abc import Callable


def is_quick(work: Callable[[], object], seconds: float) -> bool:
    """Whether the work takes at most so many seconds of the processor. Slow work is done a second time: a collection of
    the garbage of thousands of tests takes a second, and falls into one of them."""
    for _ in range(2):
        started = time.process_time()
        work()
        if time.process_time() - started < seconds:
            return True
    return False
