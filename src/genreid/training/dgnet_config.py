"""Settings of DG-Net. The defaults are the published code's; what the paper says otherwise is a flag here."""

from dataclasses import dataclass, field, replace
from typing import Literal

from genreid.data.image_config import ImageConfig
from genreid.losses.multiscale import AdversarialForm
from genreid.losses.teacher import LabelStyle
from genreid.models.backbone import BackboneConfig
from genreid.models.dgnet import AppearanceConfig, DecoderConfig, ScaleDiscriminatorConfig, StructureConfig
from genreid.training.baseline_config import BaselineConfig
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig
from genreid.training.schedules import ramp


@dataclass(frozen=True, kw_only=True)
class DgnetWeights:
    """Weights of the loss terms (equation 10; spec dg-net F6); both directions of a swap are added up."""

    image: float = 5.0
    """lambda_img: reconstruction from itself and from another image of the person (equations 1, 2)."""
    identity: float = 1.0
    """Classification of real images by the primary head (equation 3)."""
    positive_identity: float = 1.0
    """The same for the other image of each person; not in the paper."""
    fine_identity: float = 0.4
    """Classification of real images by the fine head, at the end of its ramp; not in the paper."""
    generated_identity: float = 0.5
    """lambda_id: a generated image shows who gave the appearance (equation 6)."""
    adversarial: float = 1.0
    """Generated images look real (equation 7)."""
    gradient_penalty: float = 0.01
    """R1 on the discriminator."""
    appearance_code: float = 1.0
    """Appearance codes come back (equation 4), at the end of its ramp; without effect unless
    `live_appearance_code` is set."""
    structure_code: float = 1.0
    """Structure codes come back (equation 5), at the end of its ramp."""
    cycle: float = 2.0
    """Swapping twice gives the image back, at the end of its ramp; not in the paper."""
    primary: float = 2.0
    """lambda_prim: the teacher's labels on generated images (equation 8), at the end of its ramp."""
    alpha: float = 0.2
    """lambda_fine / lambda_prim: generated images as the person who gave the structure (equation 9)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        wrong = {name: value for name, value in vars(self).items() if value < 0}
        if wrong:
            msg = f"training.weights: each must be >= 0, got {wrong}"
            raise ValueError(msg)

    @property
    def by_term(self) -> dict[str, float]:
        """The weight of each term of the summed loss, by the names that the step gives them."""
        return {
            "itself": self.image,
            "same_person": self.image,
            "identity": self.identity,
            "positive_identity": self.positive_identity,
            "fine_identity": self.fine_identity,
            "generated_identity": self.generated_identity,
            "adversarial": self.adversarial,
            "appearance_code": self.appearance_code,
            "structure_code": self.structure_code,
            "cycle": self.cycle,
            "primary": self.primary,
            "fine": self.alpha * self.primary,
            "discriminator": 1.0,
            "gradient_penalty": self.gradient_penalty,
        }


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """A weight's rise from 0, in fractions of the stage."""

    start: float = 0.30
    """Where it begins."""
    full: float = 0.34
    """Where it is over."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.start <= self.full <= 1:
            msg = f"ramp: 0 <= start <= full <= 1 is needed, got start {self.start}, full {self.full}"
            raise ValueError(msg)

    def at(self, step: int, total: int) -> float:
        """Return the share of the weight that counts at a step.

        Args:
            step: Number of the iteration, from 0.
            total: Length of the stage.
        """
        return ramp(step, total, self.start, self.full)


@dataclass(frozen=True, kw_only=True)
class AdamConfig:
    """Adam of the generator (E_s and G together) and of the discriminator."""

    learning_rate: float = 1e-4
    """Learning rate."""
    beta1: float = 0.0
    """First decay."""
    beta2: float = 0.999
    """Second decay."""
    weight_decay: float = 5e-4
    """L2 penalty on all weights."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if (
            self.learning_rate <= 0
            or self.weight_decay < 0
            or not 0 <= self.beta1 < 1
            or not 0 < self.beta2 < 1
        ):
            msg = f"adam: learning_rate > 0, weight_decay >= 0, betas in [0, 1), got {self}"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class TeachingConfig:
    """Who labels generated images, and how (equation 8; spec dg-net F8)."""

    style: LabelStyle = "soft"
    """soft: the teacher's distribution; pseudo: its best guess; conditional: who gave the appearance;
    lsro: all people alike; two_label: the teacher's weighing of the two people that were mixed."""
    batch_norm: Literal["batch", "stored"] = "batch"
    """The teacher's batch norms: statistics of the generated batch (published), or the stored ones."""
    dropout: bool = False
    """Leave the teacher's dropout on while it labels, as the published code does from iteration 5,000 on."""


@dataclass(frozen=True, kw_only=True)
class DgnetTraining:
    """Training of E_a, E_s, G and D together."""

    iterations: int = 100_000
    """Iterations."""
    batch: int = 8
    """Pairs (a, b) in a batch."""
    sgd: SgdConfig = field(
        default_factory=lambda: SgdConfig(backbone_rate=0.002, classifier_rate=0.02, drop_at=(0.6, 0.9))
    )
    """Optimiser of E_a; its `drop_at` is also that of Adam's rate."""
    adam: AdamConfig = field(default_factory=AdamConfig)
    """Optimisers of E_s with G, and of D."""
    weights: DgnetWeights = field(default_factory=DgnetWeights)
    """Weights of the loss terms."""
    code_ramp: Ramp = field(default_factory=lambda: Ramp(start=0.30, full=0.32))
    """Rise of both code reconstructions; the paper: their weight is 1 from the start."""
    cycle_ramp: Ramp = field(default_factory=Ramp)
    """Rise of the cycle's weight."""
    feeding_ramp: Ramp = field(default_factory=Ramp)
    """Rise of lambda_prim, lambda_fine and of the fine head on real images."""
    late_ramps: bool = False
    """Terms on a ramp count from the second iteration of their rise, and the fine head's on real images has
    the weight of the iteration before: the published loop raises weights between forward pass and sum."""
    feeding: Literal["online", "offline", "none"] = "online"
    """How generated images teach E_a: while it is trained; afterwards, in a second stage that starts anew on
    a generator which no longer changes; or not at all."""
    generation: bool = True
    """False: E_a alone learns from real images (both heads, erasing, positives): the control that tells what
    erasing and time give without generation."""
    teaching: TeachingConfig = field(default_factory=TeachingConfig)
    """Labels of generated images."""
    adversarial_form: AdversarialForm = "lsgan"
    """lsgan: least squares (published); log: equation 7."""
    detach_code: bool = True
    """E_a gets no gradient from reconstruction, adversarial and code losses (published); False: it does."""
    live_appearance_code: bool = False
    """Let the appearance code's loss (equation 4) reach the generator; False: it has none (published)."""
    penalty_every: int = 1
    """R1 is computed once in so many iterations, with so many times its weight (published: in every one)."""
    separate_forwards: bool = True
    """E_a and the teacher read B images at a time, so that batch norms see what they saw in the published
    code; False: all images of a kind at once, which is faster on a CPU."""
    reading_order: Literal["swapped_last", "real_last"] = "swapped_last"
    """In which order E_a reads, which its batch norms remember: erased images, then swapped ones (published
    code since August 2019); or D's step reads x anew, and erased images come last (the code of June 2019)."""
    encode_again: float = 0.5
    """Probability that the structure code's loss trains E_s on fixed images, and not the images for a fixed
    E_s."""
    different_people: bool = False
    """Swap between different people only (the paper); False: between any two images (published)."""
    erasing: float = 0.5
    """Probability that an image loses a rectangle before it is classified; not in the paper."""
    crop_padding: int = 10
    """Pixels by which an image may be shifted; its edge is repeated."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.iterations < 1 or self.batch < 2:
            msg = f"training: iterations >= 1 and batch >= 2 (pairs), got {self.iterations}, {self.batch}"
            raise ValueError(msg)
        if self.penalty_every < 1:
            msg = f"training: penalty_every must be >= 1, got {self.penalty_every}"
            raise ValueError(msg)
        if not 0 <= self.encode_again <= 1 or not 0 <= self.erasing <= 1 or self.crop_padding < 0:
            msg = (
                "training: encode_again and erasing in [0, 1], crop_padding >= 0, got "
                f"{self.encode_again}, {self.erasing}, {self.crop_padding}"
            )
            raise ValueError(msg)

    @property
    def needs_teacher(self) -> bool:
        """Whether generated images are labelled by somebody."""
        return self.generation and self.feeding != "none" and self.weights.primary > 0

    def weights_at(self, step: int) -> DgnetWeights:
        """Return the weights of one iteration: a pure function of the step (spec dg-net F9).

        Args:
            step: Number of the iteration, from 0.
        """
        code, cycle, feeding = (
            self._risen(rise, step) for rise in (self.code_ramp, self.cycle_ramp, self.feeding_ramp)
        )
        fine = self.feeding_ramp.at(step - 1, self.iterations) if self.late_ramps else feeding
        penalty = self.penalty_every if step % self.penalty_every == 0 else 0
        fed = feeding if self.feeding == "online" and self.generation else 0.0
        full = self.weights
        return replace(
            full,
            appearance_code=code * full.appearance_code if self.live_appearance_code else 0.0,
            structure_code=code * full.structure_code,
            cycle=cycle * full.cycle,
            fine_identity=fine * full.fine_identity,
            primary=fed * full.primary,
            gradient_penalty=penalty * full.gradient_penalty,
        )

    def _risen(self, rise: Ramp, step: int) -> float:
        """Return the share of a weight that counts at a step."""
        found_zero = self.late_ramps and rise.at(step - 1, self.iterations) == 0
        return 0.0 if found_zero else rise.at(step, self.iterations)


def _image() -> ImageConfig:
    """The image size of spec dg-net F1, F8 and F10."""
    return ImageConfig(height=256, width=128, resampling="bicubic")


def _teacher() -> BaselineConfig:
    """The teacher of spec dg-net F8; 97,000 iterations are 60 epochs of Market-1501."""
    return BaselineConfig(
        image=_image(),
        backbone=BackboneConfig(last_stride=1, dropout=0.5, bottleneck=512),
        identity=IdentityConfig(
            iterations=97_000,
            batch=8,
            sgd=SgdConfig(backbone_rate=0.002, classifier_rate=0.02, drop_at=(2 / 3,)),
            crop_padding=10,
            crop_fill=-1.0,
            warm_up=5 / 60,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class DgnetConfig:
    """`genreid train dgnet`: the teacher, then DG-Net."""

    image: ImageConfig = field(default_factory=_image)
    """Image size."""
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    """Appearance encoder E_a, which is the re-id network."""
    structure: StructureConfig = field(default_factory=StructureConfig)
    """Structure encoder E_s."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """Decoder G."""
    discriminator: ScaleDiscriminatorConfig = field(default_factory=ScaleDiscriminatorConfig)
    """Discriminator D."""
    training: DgnetTraining = field(default_factory=DgnetTraining)
    """Training of DG-Net."""
    teacher: BaselineConfig = field(default_factory=_teacher)
    """The network that labels generated images, and its training; its image size must be the one above."""

    def __post_init__(self) -> None:
        """Check that the parts fit."""
        if self.image.height % 8 or self.image.width % 8:
            msg = (
                f"image: height and width must be multiples of 8, got {self.image.height}x{self.image.width}"
            )
            raise ValueError(msg)
        if self.teacher.image != self.image:
            msg = (
                f"teacher.image is {self.teacher.image}, image {self.image}; the teacher sees what DG-Net "
                "generates: give both the same height, width and resampling"
            )
            raise ValueError(msg)
