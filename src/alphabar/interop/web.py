"""A page that samples a model in the visitor's browser."""

from pathlib import Path

PAGE = Path(__file__).parents[1] / "assets" / "web"
"""The page's own files, and what npm fetches for it."""
