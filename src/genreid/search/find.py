"""Query images -> the gallery's images that are most like them, one answer for each query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genreid.features.embedder import Embedder
from genreid.features.extract import Extractor
from genreid.search.calibration import Calibration
from genreid.search.gallery import Gallery
from genreid.search.nearest import MOST, Hit, Wanted
from genreid.search.pictures import time_text


class Answer(NamedTuple):
    """What was found for one query.

    Attributes:
        query: The query image.
        hits: The nearest first.
        unknown: Whether no image of the gallery is as like as the threshold asks for; None: not calibrated.
        size: Images in the gallery.
    """

    query: Path
    hits: tuple[Hit, ...]
    unknown: bool | None
    size: int


@dataclass(frozen=True)
class Finder:
    """A gallery with its network, ready for queries.

    Attributes:
        gallery: The gallery.
        extractor: Its network.
        calibration: What likenesses mean; None: nobody has measured it.
    """

    gallery: Gallery
    extractor: Extractor
    calibration: Calibration | None

    @classmethod
    def of(cls, gallery: Gallery, run: Path | None = None) -> "Finder":
        """Load the network of a gallery, and its calibration.

        Args:
            gallery: The gallery.
            run: The run folder, if it is not where it was.

        Raises:
            ValueError: If the run is gone, or its network is another one by now.
        """
        place = Path(gallery.facts.run) if run is None else run
        if not place.is_dir():
            msg = (
                f"{gallery.folder} was made with {place}, which is not there; --run RUN says where it is now"
            )
            raise ValueError(msg)
        extractor = Extractor.from_run(place, gallery.facts.feature_options)
        gallery.expect(extractor)
        return cls(gallery, extractor, Calibration.of_run(place, extractor.metadata))

    def find(self, images: Sequence[Path], wanted: Wanted, *, one_per_track: bool = False) -> list[Answer]:
        """Find the images that are most like some pictures.

        Args:
            images: Query images.
            wanted: Which images may be found, and how many for each.
            one_per_track: Of each track the nearest image only.

        Returns:
            One answer for each query, in their order.

        Raises:
            ValueError: If a query cannot be read; it is named.
        """
        embeddings = Embedder(self.extractor)(list(images))
        bad = np.flatnonzero(np.isnan(embeddings).any(axis=1))
        if bad.size:
            msg = f"{images[bad[0]]} cannot be read as a picture; give image files"
            raise ValueError(msg)
        self._expect_cameras(wanted)
        found = (
            self._of_tracks(embeddings, wanted) if one_per_track else self.gallery.search(embeddings, wanted)
        )
        size = self.gallery.count()
        limit = None if self.calibration is None else self.calibration.threshold_for(size)
        answers = []
        for image, hits in zip(images, found, strict=True):
            unknown = None if limit is None else all(hit.likeness < limit for hit in hits)
            answers.append(Answer(image, tuple(hits), unknown, size))
        return answers

    def to_json(self, answers: Sequence[Answer]) -> dict[str, object]:
        """Return answers as the command line prints them.

        Args:
            answers: Of `find`.
        """
        results = [
            [
                {
                    "path": hit.labels.path,
                    "camera": hit.labels.camera or None,
                    "time": time_text(hit.labels.time),
                    "track": hit.labels.track or None,
                    "likeness": round(hit.likeness, 4),
                    "probability": self.probability(hit, answer.size),
                }
                for hit in answer.hits
            ]
            for answer in answers
        ]
        return {"results": results, "unknown": [answer.unknown for answer in answers]}

    def probability(self, hit: Hit, size: int) -> float | None:
        """Return how probable it is that a hit shows the query's person; None: not calibrated.

        Args:
            hit: An image of the gallery.
            size: Images in the gallery.
        """
        return (
            None if self.calibration is None else round(self.calibration.probability(hit.likeness, size), 4)
        )

    def _expect_cameras(self, wanted: Wanted) -> None:
        """Refuse the name of a camera that the gallery does not have."""
        asked = {wanted.camera, wanted.not_camera} - {None}
        if not asked:
            return
        known = {item.camera for shard in self.gallery.shards() for item in shard.labels}
        for name in asked - known:
            there = ", ".join(sorted(known - {""})[:20]) or "none"
            msg = f"no image of {self.gallery.folder} is of camera {name!r}; its cameras are: {there}"
            raise ValueError(msg)

    def _of_tracks(self, embeddings: NDArray[np.float32], wanted: Wanted) -> list[list[Hit]]:
        """Search for more and more, until there are enough tracks, or no more images."""
        more = wanted
        while True:
            more = replace(more, top=min(MOST, more.top * 4))
            found = self.gallery.search(embeddings, more)
            nearest = [_first_of_tracks(hits)[: wanted.top] for hits in found]
            pairs = zip(found, nearest, strict=True)
            if more.top == MOST or all(
                len(some) == wanted.top or len(hits) < more.top for hits, some in pairs
            ):
                return nearest


def _first_of_tracks(hits: Sequence[Hit]) -> list[Hit]:
    """Return the first hit of each track; images without a track are all kept."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for hit in hits:
        track = (hit.labels.camera, hit.labels.track)
        if not hit.labels.track or track not in seen:
            kept.append(hit)
        seen.add(track)
    return kept
