"""Renderers without a network: what stands in for CR-GAN's generator in stage III, as a control or in haste.

Each is a `PairRenderer`, as the generator is: called with a `ConditionPair`, it gives a `Rendering`.
"""

from typing import ClassVar

import torch

from genreid.models.compositing import composite, move_colours, paint_over
from genreid.models.crgan import ConditionPair, PairRenderer, Rendering, compose


class CutAndPaste(PairRenderer):
    """The source person pasted on the target image: the paper's `cut, paste and learn` (spec/cr-gan.md D).

    It has the generator's interface, with X_R = X_T and X_C = 1 - M_S.

    Args:
        erase_target: Take the target's person out (grey) before pasting.
    """

    needs_masks: ClassVar[bool] = True
    is_trained: ClassVar[bool] = False

    def __init__(self, *, erase_target: bool = False) -> None:
        super().__init__()
        self.erase_target = erase_target

    def forward(self, pair: ConditionPair) -> Rendering:
        """Paste each source person over the target image, or over its background alone with `erase_target`.

        Args:
            pair: Images and masks, each [B, ., H, W].
        """
        canvas = pair.target * (1 - pair.target_mask) if self.erase_target else pair.target
        return compose(pair.source, canvas, 1 - pair.source_mask)


class ColourTransfer(PairRenderer):
    """The source image in the target image's colours: two moments of each channel, no masks (spec D2)."""

    needs_masks: ClassVar[bool] = False
    is_trained: ClassVar[bool] = False

    def forward(self, pair: ConditionPair) -> Rendering:
        """Return X_S with X_T's mean and deviation of each channel; the context mask is empty.

        Args:
            pair: Images, each [B, 3, H, W]; masks are not looked at.
        """
        moved = move_colours(pair.source, pair.target)
        return Rendering(moved, torch.zeros_like(moved), torch.zeros_like(moved[:, :1]))


class Composite(PairRenderer):
    """The source person in the target's colours, on the target image, whose own person is painted over.

    X_R is the painted background and X_C = 1 - M_S (spec D2).
    """

    needs_masks: ClassVar[bool] = True
    is_trained: ClassVar[bool] = False

    def forward(self, pair: ConditionPair) -> Rendering:
        """Paste each source person, colours moved, on the target's background.

        Args:
            pair: Images and masks, each [B, ., H, W].
        """
        background = paint_over(pair.target, pair.target_mask)
        person = move_colours(pair.source, pair.target)
        image = composite(person, pair.source_mask, background)
        return Rendering(image, background, 1 - pair.source_mask)


class Untouched(PairRenderer):
    """Gives the source image back: the control that trains on with real source images."""

    needs_masks: ClassVar[bool] = False
    is_trained: ClassVar[bool] = False

    def forward(self, pair: ConditionPair) -> Rendering:
        """Return X_S as it is, with an empty context mask.

        Args:
            pair: Images and masks, each [B, ., H, W].
        """
        return Rendering(pair.source, torch.zeros_like(pair.source), torch.zeros_like(pair.source_mask))
