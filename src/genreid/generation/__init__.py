"""Checkpoint -> images."""
