"""The program and who sits before it: lines of text, a bar, and the signals that ask for something."""

from alphabar.terminal.lines import STDERR, STDOUT, console, outlive, printable, say, say_lines

__all__ = ["STDERR", "STDOUT", "console", "outlive", "printable", "say", "say_lines"]
