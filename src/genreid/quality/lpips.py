"""LPIPS (AlexNet, version 0.1) of pairs of images: how far a rendering is from its source, how varied it is.

CR-GAN's tables 1 and 4 do not say between what LPIPS was taken. It is read (spec cr-gan E24) as the distance
from a source image to its rendering: of deterministic renderers, such as SPGAN's, no other reading gives what
the paper prints. MUNIT's diversity stands beside it: between renderings of one source image.
"""

import numpy as np
import torch
from torch import Tensor

from genreid.data.progress import progress_of
from genreid.models.perceptual import PerceptualDistance
from genreid.models.precision import Compute
from genreid.quality.images import Images, UnmeasurableError, batches

SMALLEST_SIDE = 31
"""Below it AlexNet's second pool has nothing left."""


def mean_lpips(
    network: PerceptualDistance, first: Images, second: Images, pairs: Tensor, compute: Compute
) -> float:
    """Return the mean LPIPS of pairs of images.

    Args:
        network: In evaluation mode.
        first: Images.
        second: Images of the same size.
        pairs: int64 [P, 2]: places in `first` and `second`.
        compute: Device and arithmetic.

    Raises:
        UnmeasurableError: If the images are too small.
    """
    first.at_least(SMALLEST_SIDE, "AlexNet")
    network = compute.place(network).eval()
    found = []
    with progress_of("LPIPS: pairs", len(pairs)) as advance, torch.inference_mode():
        for places in batches(len(pairs)):
            sides = pairs[places].T
            with compute.autocast():
                distances = network(
                    first.batch(sides[0], compute.device), second.batch(sides[1], compute.device)
                )
            found.append(distances.double().cpu().numpy())
            advance(len(places))
    return float(np.concatenate(found).mean())


def diversity_pairs(groups: list[int]) -> Tensor:
    """Return the pairs of images that show one source image in two contexts: each with the next one.

    Args:
        groups: For each image the number of its source image.

    Returns:
        int64 [P, 2]: N renderings of one source image make N - 1 pairs.

    Raises:
        UnmeasurableError: If there is no pair.
    """
    last: dict[int, int] = {}
    pairs = []
    for place, group in enumerate(groups):
        if group in last:
            pairs.append((last[group], place))
        last[group] = place
    if not pairs:
        msg = "every real image has one picture alone; make several with `genreid generate RUN --contexts N`"
        raise UnmeasurableError(msg)
    return torch.tensor(pairs)
