"""Where everything of a run lies: no other file spells the names in a run folder."""

from dataclasses import dataclass
from pathlib import Path

JOB, CONFIG, METRICS, PIXELS = "job.json", "config.yaml", "metrics.jsonl", "pixels.json"
CHECKPOINTS, IMAGES, QUALITY = "checkpoints", "images", "quality"


@dataclass(frozen=True)
class Run:
    """A run folder; nothing of it need exist."""

    folder: Path
    """The folder."""

    @property
    def job(self) -> Path:
        """What was asked for beside the settings."""
        return self.folder / JOB

    @property
    def config(self) -> Path:
        """The settings."""
        return self.folder / CONFIG

    @property
    def metrics(self) -> Path:
        """Loss terms, a line of JSON each time that they were looked at."""
        return self.folder / METRICS

    @property
    def checkpoints(self) -> Path:
        """A folder for each stage."""
        return self.folder / CHECKPOINTS

    @property
    def images(self) -> Path:
        """Pictures for the eye."""
        return self.folder / IMAGES

    @property
    def pixels(self) -> Path:
        """Sums of the pictures that it began with."""
        return self.folder / PIXELS

    @property
    def quality(self) -> Path:
        """Generated images whose quality was measured."""
        return self.folder / QUALITY

    def stage(self, name: str) -> Path:
        """Return where the checkpoints of a stage are.

        Args:
            name: Its name.
        """
        return self.checkpoints / name
