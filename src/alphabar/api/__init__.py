"""The front door: all that the command line can do, as functions of Python. `import alphabar` offers them."""
