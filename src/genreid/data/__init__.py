"""Images on disk -> `Sample` -> `ImageBank` -> `Batch`."""
