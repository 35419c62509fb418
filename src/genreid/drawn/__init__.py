"""People that never lived, drawn in two camera networks: the data set that may be shown and committed.

wardrobe (who) + pose (how) -> person (tubes) -> mesh (pixels, exact mask) + scenes -> camera -> write
"""
