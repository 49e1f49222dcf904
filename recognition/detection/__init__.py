"""Finding products in images."""
