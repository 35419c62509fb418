"""A run and images -> a gallery on disk -> who is like whom, how surely, and whether somebody is unknown."""
