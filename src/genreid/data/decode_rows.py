"""A run of files decoded one after the other, into rows of an array or only to see whether it works."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from genreid.data.decode import Kind, UInt8, UnreadableImageError, decode_with_size


@dataclass(frozen=True, slots=True)
class Decoding:
    """How files are decoded.

    Attributes:
        size: Height and width of the results.
        kind: What they are.
        into: An existing .npy file, uint8 [N,C,H,W], whose rows are written; None: pixels are not kept.
    """

    size: tuple[int, int]
    kind: Kind = "image"
    into: Path | None = None


class Decoded(NamedTuple):
    """What became of a run of files."""

    reasons: dict[int, str]
    """Row -> why its file cannot be read."""
    shares: dict[int, float]
    """Row -> share of person pixels, 0-1; of readable masks only."""
    sizes: dict[int, tuple[int, int]]
    """Row -> height and width of the file itself, if it can be read."""
    flat: dict[int, bool]
    """Rows of pictures of one colour -> True; found only where pixels are not kept."""

    def update(self, part: "Decoded") -> None:
        """Take up what became of other rows.

        Args:
            part: Of other rows.
        """
        self.reasons.update(part.reasons)
        self.shares.update(part.shares)
        self.sizes.update(part.sizes)
        self.flat.update(part.flat)


def decode_rows(paths: Sequence[Path], first: int, decoding: Decoding, array: UInt8 | None) -> Decoded:
    """Decode files; one that cannot be read stops nothing, and its row becomes 0.

    Args:
        paths: The files.
        first: Row of the first one.
        decoding: How.
        array: The opened array of `decoding.into`, or None.
    """
    decoded = Decoded({}, {}, {}, {})
    for row, path in enumerate(paths, start=first):
        try:
            pixels, decoded.sizes[row] = decode_with_size(path, decoding.size, decoding.kind)
        except UnreadableImageError as error:
            decoded.reasons[row] = str(error)
            if array is not None:
                array[row] = 0
            continue
        if decoding.kind == "mask":
            decoded.shares[row] = float(pixels.mean())
        elif array is None and _is_flat(pixels):
            decoded.flat[row] = True
        if array is not None:
            array[row] = pixels
    return decoded


def _is_flat(pixels: UInt8) -> bool:
    """Tell whether a picture [C,H,W] has one colour; two pixels mostly tell that it has not."""
    middle = pixels[0, pixels.shape[1] // 2, pixels.shape[2] // 2]
    return bool(pixels[0, 0, 0] == middle and (pixels == pixels[:, :1, :1]).all())
