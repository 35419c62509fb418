"""Settings of a plain re-id network: `genreid train baseline`, and DG-Net's teacher."""

from dataclasses import dataclass, field

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig
from genreid.training.identity_step import IdentityConfig


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """`genreid train baseline`: a re-id network that classifies the people of one data set."""

    image: ImageConfig = field(default_factory=ImageConfig)
    """Image size."""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """Backbone and its weights."""
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    """Training."""
