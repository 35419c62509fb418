"""A run: its folder and settings, the loop that trains it, its checkpoints, and the networks in them."""
