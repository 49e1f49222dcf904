"""Invented packs and shelves, drawn: source of the samples, of test scenes and of training pairs."""
