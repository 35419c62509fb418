"""Settings of SPGAN: `genreid adapt --renderer spgan`, the stage in place of CR-GAN's stage II."""

from dataclasses import dataclass, field
from typing import Literal

from genreid.models.spgan import PatchConfig, SiameseConfig, TranslatorConfig


@dataclass(frozen=True, kw_only=True)
class SpganWeights:
    """Weights of the generators' losses; 0 leaves a loss out and spends no time on it."""

    adversarial: float = 1.0
    """Least squares, of both directions."""
    cycle: float = 10.0
    """There and back again, of both directions."""
    identity_mapping: float = 5.0
    """An image that is of the wanted domain already shall stay as it is."""
    contrast: float = 2.0
    """L_con: self-similarity and domain-dissimilarity; 0: no Siamese network, which is CycleGAN."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        values = (self.adversarial, self.cycle, self.identity_mapping, self.contrast)
        if min(values) < 0 or self.adversarial == 0:
            msg = f"spgan.weights: adversarial must be > 0 and all others >= 0, got {values}"
            raise ValueError(msg)

    @property
    def by_term(self) -> dict[str, float]:
        """The weights by the names of their terms."""
        return {
            "adversarial": self.adversarial,
            "cycle": self.cycle,
            "identity_mapping": self.identity_mapping,
            "contrast": self.contrast,
        }


@dataclass(frozen=True, kw_only=True)
class SpganConfig:
    """SPGAN: both generators, both discriminators and the Siamese network, trained together."""

    generator: TranslatorConfig = field(default_factory=TranslatorConfig)
    """G (source to target) and F (back)."""
    discriminator: PatchConfig = field(default_factory=PatchConfig)
    """D_T and D_S."""
    siamese: SiameseConfig = field(default_factory=SiameseConfig)
    """SiaNet."""
    iterations: int = 64_680
    """Length of the stage (the paper: 5 epochs; here, of Market-1501's 12,936 images, one at a time)."""
    batch: int = 1
    """Images of each domain in a batch."""
    learning_rate: float = 2e-4
    """Adam's rate, constant."""
    beta1: float = 0.5
    """Adam's first decay."""
    beta2: float = 0.999
    """Adam's second decay."""
    weights: SpganWeights = field(default_factory=SpganWeights)
    """Weights of the generators' losses."""
    negatives: Literal["translated", "real"] = "translated"
    """Which pairs L_con drives apart: translated images and those of the domain that they now belong to, as
    the paper says (its PyTorch release); or real images of both domains, which moves the Siamese network
    alone (its TensorFlow release)."""
    margin: float = 2.0
    """Distance from which on L_con leaves such a pair alone; embeddings are 2 apart at most."""
    pool: int = 50
    """Translations of each direction that are kept for the discriminators; 0: they see the latest alone."""
    zoom: float = 286 / 256
    """By how much images are enlarged before a window of the old size is cut out at random; 1: not."""
    generator_every: int = 1
    """The generators learn in every so many iterations (PyTorch release: 2)."""
    siamese_from: float = 0.0
    """Share of the stage after which the Siamese network begins to learn (PyTorch release: 1/20)."""
    contrast_from: float = 0.0
    """Share of the stage after which L_con enters the generators' loss (PyTorch release: 2/20)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.iterations, self.batch, self.generator_every) < 1 or self.learning_rate <= 0:
            msg = (
                "spgan: iterations, batch and generator_every must be >= 1 and learning_rate > 0, got "
                f"{self.iterations}, {self.batch}, {self.generator_every}, {self.learning_rate}"
            )
            raise ValueError(msg)
        if self.zoom < 1 or self.pool < 0 or self.margin <= 0:
            msg = f"spgan: zoom >= 1, pool >= 0 and margin > 0, got {self.zoom}, {self.pool}, {self.margin}"
            raise ValueError(msg)
        if not 0 <= self.siamese_from <= self.contrast_from <= 1:
            msg = (
                "spgan: 0 <= siamese_from <= contrast_from <= 1 (L_con needs a Siamese network that has "
                f"begun to learn), got {self.siamese_from}, {self.contrast_from}"
            )
            raise ValueError(msg)
