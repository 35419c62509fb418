"""Networks made ready to embed: what lies between a trained network and an embedding of unit length."""

from dataclasses import dataclass
from typing import Protocol, cast

from torch import Tensor, nn
from torch.nn import functional as F

from genreid.features.halves import describe_halves
from genreid.features.options import PUBLISHED_FINE_WEIGHT, FeatureOptions, Mirror, Pooling
from genreid.features.pooling import pool
from genreid.models.backbone import ReidNetwork, ReidOutput
from genreid.models.dgnet import Appearance, AppearanceEncoder, combine_halves, to_normalised
from genreid.models.folding import fold_batch_norm
from genreid.models.tokens import TokenBackbone

TrainedNetwork = ReidNetwork | AppearanceEncoder
"""The networks that recognise people."""


def read_images(network: TrainedNetwork, images: Tensor) -> ReidOutput | Appearance:
    """Run a network on images of the package's range; DG-Net's reads them in ImageNet-normalised space.

    Args:
        network: The network, in the mode in which it shall run.
        images: [B,3,H,W] in [-1, 1].
    """
    if isinstance(network, AppearanceEncoder):
        return cast(Appearance, network(to_normalised(images)))
    return cast(ReidOutput, network(images))


class ReadyNetwork(Protocol):
    """A network that turns images into embeddings."""

    @property
    def network(self) -> nn.Module:
        """In evaluation mode, batch norms folded away."""

    def __call__(self, images: Tensor) -> Tensor:
        """Embed a batch.

        Args:
            images: [B,3,H,W] in [-1, 1].

        Returns:
            float32 [B,D] of unit length.
        """

    def describe(self) -> dict[str, str]:
        """Return what feature sets remember of how the embeddings were made."""


@dataclass(frozen=True)
class PooledNetwork:
    """A re-id network and how its last feature map becomes one vector.

    Attributes:
        network: In evaluation mode, batch norms folded away.
        pooling: Average pooling, with the bottleneck if the network has one, or local max pooling.
        parts: Stripes of local max pooling; None: the rows of the map.
        mirror: `on`: the embeddings of image and mirror image, both of unit length, are added up.
    """

    network: ReidNetwork
    pooling: Pooling = "average"
    parts: int | None = None
    mirror: Mirror = "off"

    def __call__(self, images: Tensor) -> Tensor:
        """Embed a batch, each image alone or together with its mirror image.

        Args:
            images: [B,3,H,W] in [-1, 1].

        Returns:
            float32 [B,D] of unit length.
        """
        seen = self._embed(images)
        return F.normalize(seen + self._embed(images.flip(3)), dim=1) if self.mirror == "on" else seen

    def _embed(self, images: Tensor) -> Tensor:
        """Return embeddings of unit length."""
        backbone = self.network.backbone
        if isinstance(backbone, TokenBackbone) and backbone.has_summary and self.pooling == "average":
            return F.normalize(self.network.embed(images).float(), dim=1)
        feature_map = self.network.feature_map(images)
        if self.network.bottleneck is not None and self.pooling == "average":
            return F.normalize(self.network.neck(self.network.pool(feature_map)).float(), dim=1)
        return pool(feature_map, self.pooling, self.parts)

    def describe(self) -> dict[str, str]:
        """Return pooling, stripes and whether mirror images count."""
        parts = {} if self.parts is None else {"parts": str(self.parts)}
        return {"pooling": self.pooling, **parts, "mirror": self.mirror}


@dataclass(frozen=True)
class DualNetwork:
    """DG-Net's appearance encoder, whose two heads' embeddings are joined (spec dg-net F10).

    Attributes:
        network: In evaluation mode, batch norms folded away.
        fine_weight: w: the cosine of two embeddings, times 1 + w, is cos(primary) + w * cos(fine).
        mirror: `on`, as published: each half of image and mirror image is brought to unit length, then the
            two are added up.
    """

    network: AppearanceEncoder
    fine_weight: float = PUBLISHED_FINE_WEIGHT
    mirror: Mirror = "on"

    def __call__(self, images: Tensor) -> Tensor:
        """Embed a batch, each image alone or together with its mirror image.

        Args:
            images: [B,3,H,W] in [-1, 1].

        Returns:
            float32 [B,D] of unit length; D is twice the heads' width, or once if the fine half counts 0.
        """
        normalised = to_normalised(images)
        primary, fine = self._halves(normalised)
        if self.mirror == "on":
            mirrored_primary, mirrored_fine = self._halves(normalised.flip(3))
            primary, fine = primary + mirrored_primary, fine + mirrored_fine
        return combine_halves(primary, fine, self.fine_weight) if self.fine_weight else F.normalize(primary)

    def _halves(self, normalised: Tensor) -> tuple[Tensor, Tensor]:
        """Return the primary and the fine half of each image, both of unit length."""
        seen = self.network(normalised)
        return F.normalize(seen.primary.embedding.float()), F.normalize(seen.fine.embedding.float())

    def describe(self) -> dict[str, str]:
        """Return where the halves lie, how the fine one is weighted, and whether mirror images count."""
        width = self.network.config.head_width
        return {**describe_halves(width, width, self.fine_weight), "mirror": self.mirror}


def make_ready(network: TrainedNetwork, options: FeatureOptions) -> ReadyNetwork:
    """Fold a network's batch norms and say how its output becomes an embedding.

    Args:
        network: It is copied, and left as it is.
        options: Pooling, stripes, weight of the fine half, mirror images.

    Raises:
        ValueError: If the network cannot do what the options say.
    """
    expect_fitting(network, options)
    if isinstance(network, ReidNetwork):
        mirror = options.mirror or "off"
        return PooledNetwork(fold_batch_norm(network), options.pooling, options.parts, mirror)
    weight = PUBLISHED_FINE_WEIGHT if options.fine_weight is None else options.fine_weight
    return DualNetwork(fold_batch_norm(network), weight, options.mirror or "on")


def expect_fitting(network: TrainedNetwork, options: FeatureOptions) -> None:
    """Refuse options that belong to another kind of network.

    Args:
        network: The network.
        options: Pooling, weight of the fine half.

    Raises:
        ValueError: Says what to type.
    """
    if isinstance(network, AppearanceEncoder) and options.pooling != "average":
        msg = (
            f"--pooling {options.pooling}: the two halves of DG-Net's embedding have no stripes; leave out "
            "--pooling, or add --stage pretrained for the run's teacher"
        )
        raise ValueError(msg)
    if isinstance(network, ReidNetwork) and options.fine_weight is not None:
        msg = (
            f"--fine-weight {options.fine_weight:g} weights the fine half of DG-Net's embedding, and this "
            "network has no halves; leave it out"
        )
        raise ValueError(msg)
