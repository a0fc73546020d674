"""Packs: images decoded once, in files that are mapped into memory, so that a set may be larger than the memory."""
