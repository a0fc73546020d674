"""alphabar's command line with a clock of CPU time: `training.minutes` are CPU minutes, however busy the machine is."""

import time
from unittest.mock import patch

from alphabar.cli import main


def run() -> None:
    """What the command `alphabar` does. The clock of its training is time.perf_counter."""
    with patch("time.perf_counter", time.process_time):
        main()


if __name__ == "__main__":
    run()
