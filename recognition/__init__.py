"""Shelf product recognition: read, detect, crop, embed, match, lay out, write."""

__version__ = "0.1.0"
