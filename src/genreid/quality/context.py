"""How near the context of a generated image is to the background whose context it should show.

Mean absolute difference of grey levels, 0 to 1, over the pixels that are background in the image that gives
the context, and, where the person stays in his place, in his own image, too. The papers have no such figure.
It tells a renderer, which shows *this* background, from an adversarial network, which shows any.
"""

import numpy as np
import torch

from genreid.data.progress import progress_of
from genreid.quality.images import Images, UnmeasurableError, batches


def context_distance(generated: Images, contexts: Images, people: list[Images]) -> float:
    """Return the mean over images of the distance to the background; images without background do not count.

    Args:
        generated: N images.
        contexts: The N real images whose contexts they should show.
        people: Person masks, N each; a pixel counts that is background in all of them.

    Raises:
        UnmeasurableError: If no image has background.
    """
    total, counted = 0.0, 0
    with progress_of("context: images", len(generated)) as advance:
        for places in batches(len(generated)):
            background = torch.stack([1 - masks.grey_levels(places) for masks in people]).prod(0)
            difference = (generated.grey_levels(places) - contexts.grey_levels(places)).abs() / 255
            area = background.sum((1, 2, 3))
            distance = (difference.mean(1, keepdim=True) * background).sum((1, 2, 3)) / area.clamp(min=1)
            total += float(np.sum(distance[area > 0].double().numpy()))
            counted += int((area > 0).sum())
            advance(len(places))
    if not counted:
        msg = (
            "the masks leave no background in any image; `genreid data check DIR --masks MASKS` looks at them"
        )
        raise UnmeasurableError(msg)
    return total / counted
