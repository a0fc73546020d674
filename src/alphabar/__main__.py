"""`python -m alphabar` is the command `alphabar`."""

from alphabar.cli import main

main()
