"""Which pictures a data set has: who is seen by which cameras, how often, and under which names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from genreid.data.box_folders import GALLERY, QUERY, TRAIN
from genreid.data.sample import DISTRACTOR_PID, JUNK_PID
from genreid.drawn.chance import chance
from genreid.drawn.networks import NETWORKS
from genreid.drawn.picture import PASSERS_BY, Framing, Shot, Studio

Domain = Literal["A", "B"]
FEWEST_CAMERAS = 3
"""Everybody is seen by so many of the six cameras or more: a query always has a match elsewhere."""
FEWEST_IMAGES = 2
"""Pictures of somebody by one camera, at the least: one can be the query, one stays in the gallery."""
JUNK_SHARE, DISTRACTOR_SHARE = 0.15, 0.15
"""Junk and distractors for each good gallery picture; Market-1501 has 0.29 and 0.21."""
EMPTY_SHARE = 0.5
"""Distractors without anybody: a detector's false alarms. The rest are people without identity."""
LARGEST_PID = 9999
SMALLEST_SIDE, LARGEST_SIDE = 16, 1024
FRAMES_BETWEEN = 25
"""Frames between two pictures of a walk: a second of video."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What to make.

    Attributes:
        domain: Which network of cameras, `A` or `B`.
        pids: Number of people; every other one is for training, the rest for testing.
        seed: Decides everything; 0 or more. Domains do not share people.
        height: Of a picture, in pixels.
        width: Of a picture, in pixels.
        images_per_camera: Most pictures of somebody by one camera; 2 is the fewest.
    """

    domain: Domain = "A"
    pids: int = 100
    seed: int = 0
    height: int = 128
    width: int = 64
    images_per_camera: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be made.

        Raises:
            ValueError: If a value does not fit; says which would.
        """
        _expect("--domain", self.domain, self.domain in NETWORKS, f"one of {', '.join(NETWORKS)}")
        _expect(
            "--pids", self.pids, 2 <= self.pids <= LARGEST_PID, f"2 to {LARGEST_PID}: half train, half test"
        )
        _expect("--seed", self.seed, self.seed >= 0, "0 or more")
        for name, side in (("--height", self.height), ("--width", self.width)):
            _expect(
                name, side, SMALLEST_SIDE <= side <= LARGEST_SIDE, f"{SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
            )
        _expect("--images-per-camera", self.images_per_camera, 2 <= self.images_per_camera <= 100, "2 to 100")

    @property
    def studio(self) -> Studio:
        """Where the pictures are taken."""
        return Studio(self.domain, self.seed, (self.height, self.width))


class Planned(NamedTuple):
    """A picture of the data set.

    Attributes:
        folder: Of Market-1501's tree.
        name: Of the file.
        shot: What it shows.
    """

    folder: str
    name: str
    shot: Shot


def _expect(option: str, got: object, fits: bool, wanted: str) -> None:  # noqa: FBT001
    """Refuse a value."""
    if not fits:
        message = f"{option} must be {wanted}; got {got}"
        raise ValueError(message)


def plan(synthesis: Synthesis) -> list[Planned]:
    """Return every picture of a data set, in the order of their names' people.

    Args:
        synthesis: What to make.
    """
    namer = _Namer()
    planned: list[Planned] = []
    for pid in range(1, synthesis.pids + 1):
        train = pid % 2 == 1
        for shots in _walks(synthesis, pid):
            for place_in_walk, shot in enumerate(shots):
                folder = TRAIN if train else QUERY if place_in_walk == 0 else GALLERY
                planned.append(Planned(folder, namer.name(pid, shot.camid, folder), shot))
    good = sum(item.folder == GALLERY for item in planned)
    planned += _junk(synthesis, namer, max(1, round(good * JUNK_SHARE)))
    planned += _distractors(synthesis, namer, max(1, round(good * DISTRACTOR_SHARE)))
    return planned


class _Namer:
    """Gives names in Market-1501's form; a camera's frame numbers only grow, so no name comes twice."""

    def __init__(self) -> None:
        self._frames: dict[int, int] = {}

    def name(self, pid: int, camid: int, folder: str) -> str:
        """Return the next file name of a person, a camera and a folder."""
        frame = self._frames.get(camid, 1) + FRAMES_BETWEEN
        self._frames[camid] = frame
        text = str(JUNK_PID) if pid == JUNK_PID else f"{pid:04d}"
        return f"{text}_c{camid}s1_{frame:06d}_{0 if folder == QUERY else 1:02d}.jpg"


def _walks(synthesis: Synthesis, pid: int) -> Iterator[Sequence[Shot]]:
    """Yield the pictures of a person by each camera that sees them."""
    random = chance(synthesis.seed, synthesis.domain, "walks", pid)
    cameras = len(NETWORKS[synthesis.domain])
    seen_by = int(random.integers(FEWEST_CAMERAS, cameras + 1))
    for camera in sorted(random.permutation(cameras)[:seen_by].tolist()):
        count = int(random.integers(FEWEST_IMAGES, synthesis.images_per_camera + 1))
        yield [Shot(pid, camera + 1, number) for number in range(count)]


def _junk(synthesis: Synthesis, namer: _Namer, count: int) -> Iterator[Planned]:
    """Yield crops that miss half of a person of the test set."""
    random = chance(synthesis.seed, synthesis.domain, "junk")
    for number in range(count):
        who = 2 * int(random.integers(1, synthesis.pids // 2 + 1))
        camid = 1 + int(random.integers(len(NETWORKS[synthesis.domain])))
        name = namer.name(JUNK_PID, camid, GALLERY)
        yield Planned(GALLERY, name, Shot(who, camid, number, "cut off"))


def _distractors(synthesis: Synthesis, namer: _Namer, count: int) -> Iterator[Planned]:
    """Yield crops of nobody, and of people who are never asked for."""
    random = chance(synthesis.seed, synthesis.domain, "distractors")
    for number in range(count):
        camid = 1 + int(random.integers(len(NETWORKS[synthesis.domain])))
        framing: Framing = "empty" if random.random() < EMPTY_SHARE else "whole"
        name = namer.name(DISTRACTOR_PID, camid, GALLERY)
        yield Planned(GALLERY, name, Shot(-1 - PASSERS_BY - number, camid, 0, framing))
