"""The SKU database: catalogue files, vectors, index."""
