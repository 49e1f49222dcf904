"""The commands of recognize.py: each parses, calls the library, prints."""
