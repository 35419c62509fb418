"""Checkpoint -> files that other programs run, with the same embeddings or pictures."""
