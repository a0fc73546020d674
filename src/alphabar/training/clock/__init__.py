"""How long a run is, how fast, and when something is due."""
