"""Images -> embeddings -> `FeatureSet`: where a trained re-id network looks at a list of images.

The network is run with its batch norms folded into the convolutions (`models/folding.py`), channels last, and
in bf16 where the hardware has it (`--precision fp32` is exact). An image's embedding does not depend on the
batch it is in.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genreid import __version__
from genreid.data.augment import to_float
from genreid.data.bank import ImageBank
from genreid.data.decode import Kind
from genreid.data.image_config import ImageConfig
from genreid.data.progress import Advance, progress_of
from genreid.data.sample import Sample
from genreid.features.bn_statistics import BnEstimation, BnImages, reestimate_from_folder
from genreid.features.feature_set import FeatureSet
from genreid.features.networks import ReadyNetwork, TrainedNetwork, expect_fitting, make_ready
from genreid.features.options import FeatureOptions, Stage
from genreid.methods import STAGES
from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.models.devices import DeviceName
from genreid.models.precision import Compute, choose_compute
from genreid.runs.trained_networks import (
    LoadedAppearance,
    LoadedNetwork,
    has_dgnet,
    load_appearance,
    load_reid_network,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extractor:
    """A network that is ready to embed; made once for several lists of images (query, then gallery).

    Attributes:
        network: Images in [-1, 1] -> embeddings of unit length.
        size: Height and width of the images it takes.
        options: How embeddings are made; batch size.
        kind: How images are resized.
        compute: Device and arithmetic.
        metadata: Where its embeddings come from.
    """

    network: ReadyNetwork
    size: tuple[int, int]
    options: FeatureOptions
    compute: Compute
    metadata: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = "image"

    @classmethod
    def from_run(cls, run: Path, options: FeatureOptions) -> Self:
        """Load the network of a run folder; re-estimate its batch-norm statistics if the options say so.

        Args:
            run: Folder of `genreid train` or `genreid adapt`.
            options: FEATURE OPTIONS.

        Raises:
            ValueError: If the run holds no such network, or the options cannot be met; says what to type.
        """
        return cls.of_opened(open_network(run, options), options)

    @classmethod
    def of_backbone(cls, backbone: BackboneConfig, image: ImageConfig, options: FeatureOptions) -> Self:
        """Make a backbone ready as it is, without a run: the first thing to try with weights from elsewhere.

        Args:
            backbone: Which, and its weights.
            image: Size of the images, and how they are resized.
            options: FEATURE OPTIONS; `stage` must be left out.

        Raises:
            ValueError: If the weights cannot be had or do not fit, or the options cannot be met.
        """
        network = build_reid_network(backbone, 1, image.size).eval()
        origin = {"backbone": backbone.name, "weights": backbone.weights}
        opened = OpenedNetwork(network, image.size, image.kind, origin)
        return cls.of_opened(_placed(opened, options), options)

    @classmethod
    def of_opened(cls, opened: "OpenedNetwork", options: FeatureOptions) -> Self:
        """Make an opened network ready; it is copied, and left as it is.

        Args:
            opened: From `open_network`.
            options: As given there.

        Raises:
            ValueError: If the network cannot do what the options say.
        """
        made = cls.of_network(opened.network, opened.size, options, opened.origin)
        return replace(made, kind=opened.kind)

    @classmethod
    def of_network(
        cls,
        network: TrainedNetwork,
        size: tuple[int, int],
        options: FeatureOptions,
        origin: Mapping[str, str],
    ) -> Self:
        """Make a network in memory ready; it is copied, and left as it is.

        Args:
            network: On the device where it is to run: `options.device` is not looked at.
            size: Height and width of the images it takes.
            options: Pooling, batch size, precision; `stage` and `bn_statistics` are not looked at.
            origin: What the metadata of the feature sets say beside the options.

        Raises:
            ValueError: If the device cannot do the precision, or the network not what the options say.
        """
        place = next(network.parameters()).device
        chosen = choose_compute(cast(DeviceName, place.type), options.precision)
        compute = replace(chosen, device=place)
        ready = make_ready(network, options)
        ready.network.to(memory_format=torch.channels_last)
        made = {**_describe(options, compute, size), **ready.describe(), "model": fingerprint(network)}
        return cls(ready, size, options, compute, {**made, **origin})

    def extract(self, samples: Sequence[Sample]) -> FeatureSet:
        """Embed the images of some samples.

        Args:
            samples: Of any split; files that cannot be read are left out, with a warning that names them.

        Returns:
            One row for each readable image, in the samples' order, with its path.

        Raises:
            ValueError: If there is no readable image, or an embedding is not finite.
        """
        bank = ImageBank.build([sample.path for sample in samples], self.size, self.kind)
        return self.extract_bank(bank, samples)

    def extract_bank(self, bank: ImageBank, samples: Sequence[Sample]) -> FeatureSet:
        """Embed the images of a bank.

        Args:
            bank: Decoded images; row i is sample i.
            samples: What is known of each; unreadable images are left out, with a warning.

        Returns:
            One row for each readable image, in the samples' order, with its path.

        Raises:
            ValueError: If there is no readable image, or an embedding is not finite.
        """
        assert len(bank) == len(samples), f"{len(bank)} images for {len(samples)} samples"
        rows = bank.readable_indices
        if not len(rows):
            msg = f"none of the {len(samples)} images can be read; `genreid data check DIR` says why"
            raise ValueError(msg)
        if len(rows) < len(samples):
            names = ", ".join(str(path) for path in bank.unreadable[:3])
            logger.warning("%d unreadable images get no embedding: %s", len(samples) - len(rows), names)
        kept = [samples[row] for row in rows.tolist()]
        features = FeatureSet(
            embedding=self.embed_rows(bank, rows),
            pid=np.array([sample.pid for sample in kept], np.int64),
            camid=np.array([sample.camid for sample in kept], np.int64),
            paths=tuple(str(sample.path) for sample in kept),
            metadata=self.metadata,
        )
        features.squared_norms()  # names the first image whose embedding is NaN
        return features

    def embed_rows(self, bank: ImageBank, rows: Tensor) -> NDArray[np.float32]:
        """Embed some images of a bank.

        Args:
            bank: Decoded images of any size the network can take.
            rows: Which, int64 [N].

        Returns:
            float32 [N,D] of unit length.
        """
        batches = (bank.gather(batch, self.compute.device) for batch in _cut(rows, self.options.batch_size))
        with progress_of("embedding images", len(rows)) as advance:
            return self._collect(batches, len(rows), advance)

    @property
    def batch_size(self) -> int:
        """Images in one pass."""
        return self.options.batch_size

    def embed_pixels(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed one batch.

        Args:
            images: uint8 [B,3,H,W] of the network's size.

        Returns:
            float32 [B,D] of unit length.
        """
        return self.embed_images(torch.from_numpy(images).to(self.compute.device)).cpu().numpy()

    def embed_images(self, images: Tensor) -> Tensor:
        """Embed one batch.

        Args:
            images: uint8 [B,3,H,W] of the network's size, on its device.

        Returns:
            float32 [B,D] of unit length, on the device.
        """
        with torch.inference_mode(), self.compute.autocast():
            return self.network(to_float(images).contiguous(memory_format=torch.channels_last))

    def _collect(self, batches: Iterable[Tensor], total: int, advance: Advance) -> NDArray[np.float32]:
        """Embed batch after batch; a batch is fetched from the device only once the next one is under way."""
        result = np.empty((0, 0), np.float32)
        done = 0
        for embedding in _one_behind(self.embed_images(images) for images in batches):
            if not done:
                result = np.empty((total, embedding.shape[1]), np.float32)
            result[done : done + len(embedding)] = embedding.cpu().numpy()
            done += len(embedding)
            advance(len(embedding))
        return result


class OpenedNetwork(NamedTuple):
    """The network of a run folder, as it was trained.

    Attributes:
        network: On the device of the options, its batch-norm statistics re-estimated if they say so.
        size: Height and width of the images that it was trained on.
        kind: How they were resized.
        origin: What the metadata of feature sets say of the run.
    """

    network: TrainedNetwork
    size: tuple[int, int]
    kind: Kind
    origin: Mapping[str, str]


def open_network(run: Path, options: FeatureOptions) -> OpenedNetwork:
    """Load the network of a run folder; re-estimate its batch-norm statistics if the options say so.

    Args:
        run: Folder of `genreid train` or `genreid adapt`.
        options: FEATURE OPTIONS.

    Raises:
        ValueError: If the run holds no such network, or the options cannot be met; says what to type.
    """
    loaded = _load(run, options.stage)
    origin = {"run": run.name, "stage": loaded.stage, "step": str(loaded.step)}
    if isinstance(loaded, LoadedNetwork):
        origin["training"] = loaded.training
        uses = STAGES[loaded.training].uses
        origin |= {"uses": uses} if uses else {}
    return _placed(OpenedNetwork(loaded.network, loaded.size, loaded.kind, origin), options)


def _placed(opened: OpenedNetwork, options: FeatureOptions) -> OpenedNetwork:
    """Put a network on its device; re-estimate its batch-norm statistics if the options say so."""
    expect_fitting(opened.network, options)
    compute = choose_compute(options.device, options.precision)
    opened.network.to(compute.device)
    if options.bn_folder is not None:
        estimation = BnEstimation(format=options.bn_format, pattern=options.bn_pattern)
        images = BnImages(options.bn_folder, opened.size, opened.kind)
        reestimate_from_folder(opened.network, images, compute, estimation)
    return opened


def extract_split(run: Path, samples: Sequence[Sample], options: FeatureOptions) -> FeatureSet:
    """Embed images with the network of a run folder.

    For several lists of images make one `Extractor` and use it for all: the network is then loaded once.

    Args:
        run: Folder of `genreid train` or `genreid adapt`.
        samples: The images, of any split.
        options: FEATURE OPTIONS.

    Returns:
        One row for each readable image, in the samples' order.

    Raises:
        ValueError: If the run holds no such network, no image can be read, or the options cannot be met.
    """
    return Extractor.from_run(run, options).extract(samples)


def extract(
    network: TrainedNetwork, bank: ImageBank, samples: Sequence[Sample], options: FeatureOptions
) -> FeatureSet:
    """Embed decoded images with a network in memory.

    Args:
        network: On the device where it is to run; left as it is.
        bank: Decoded images; row i is sample i.
        samples: What is known of each image.
        options: Pooling, batch size and precision; the rest is not looked at.

    Returns:
        One row for each readable image, in the samples' order.

    Raises:
        ValueError: If no image can be read, an embedding is not finite, or the options do not fit.
    """
    return Extractor.of_network(network, bank.height_width, options, {}).extract_bank(bank, samples)


def fingerprint(network: nn.Module) -> str:
    """Return a short text that two networks share only if all their weights and statistics are equal.

    Args:
        network: Any network.

    Returns:
        16 hexadecimal digits of a SHA-256 over names, types, shapes and values.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _load(run: Path, stage: Stage | None) -> LoadedNetwork | LoadedAppearance:
    """Return the network that a stage means: without one DG-Net's, in a run that has it."""
    return load_appearance(run) if stage is None and has_dgnet(run) else load_reid_network(run, stage)


def _describe(options: FeatureOptions, compute: Compute, size: tuple[int, int]) -> dict[str, str]:
    """Return what decides the embeddings beside the network and what it is made ready with, as metadata."""
    given = {"bn_format": options.bn_format, "bn_pattern": options.bn_pattern}
    return {
        "genreid": __version__,
        "image_size": f"{size[0]}x{size[1]}",
        "bn_statistics": options.bn_statistics,
        "precision": compute.name,
        **{name: str(value) for name, value in given.items() if value is not None},
    }


def _cut(rows: Tensor, size: int) -> Iterator[Tensor]:
    """Yield the rows in batches of a size; the last one may be smaller."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _one_behind(items: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield each item only after the next one was asked for, so that a GPU always has work queued."""
    waiting: Tensor | None = None
    for item in items:
        if waiting is not None:
            yield waiting
        waiting = item
    if waiting is not None:
        yield waiting
