"""Which mask file belongs to which image."""

from pathlib import Path

RECORD_NAME = "masks.json"
"""File in a folder of masks that says whose they are."""
SOFT_REMEDY = (
    "To turn label maps or soft masks into masks, and keep them, type: genreid mask DIR --out NEW_MASKS "
    "--parser labels --labels THEIR_FOLDER (soft masks of 0 to 255: --labels-above 127, too)"
)
"""What to do with masks of more than two values."""


def mask_path(masks_root: Path, dataset_root: Path, image_path: Path) -> Path:
    """Return where the person mask of an image lies: the same relative path, with the suffix `.png`.

    Args:
        masks_root: The folder of masks (`genreid mask DIR --out MASKS`).
        dataset_root: The folder the data set was read from (`ReidDataset.root`).
        image_path: An image below `dataset_root`.

    Raises:
        ValueError: If the image does not lie below `dataset_root`.
    """
    below = image_path.is_relative_to(dataset_root)
    if not below or ".." in image_path.relative_to(dataset_root).parts:
        message = (
            f"no mask path for {image_path}: the image is not below the data set's folder {dataset_root}. "
            "Masks keep the image's path relative to that folder."
        )
        raise ValueError(message)
    return masks_root / image_path.relative_to(dataset_root).with_suffix(".png")
