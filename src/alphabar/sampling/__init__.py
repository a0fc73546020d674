"""A model samples images."""
