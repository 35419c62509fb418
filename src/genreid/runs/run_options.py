"""Options of every training command, whatever the method."""

from dataclasses import dataclass, field
from pathlib import Path

from genreid.models.devices import DeviceName, PrecisionName


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of every training command."""

    recipe: str = field(metadata={"metavar": "NAME"})
    """Complete settings to start from."""
    config: Path | None = field(default=None, metadata={"metavar": "FILE"})
    """YAML file whose values win over the recipe's; it may name some of them (RUN/config.yaml names all)."""
    seed: int = field(default=0, metadata={"metavar": "N"})
    """Seed of everything random: the batch at step t is a function of the seed and t."""
    device: DeviceName = "auto"
    """Where to compute; auto: the GPU if there is one."""
    precision: PrecisionName = "auto"
    """Number format of the networks; auto: the fastest that this hardware does well."""
    max_minutes: float | None = field(default=None, metadata={"metavar": "M"})
    """Stop cleanly at a checkpoint after so many minutes; the same command resumes."""
    checkpoint_minutes: float = field(default=5.0, metadata={"metavar": "M"})
    """Minutes between two checkpoints: what a power cut loses at most (0: as often as the loss is logged)."""
    holdout: int = field(default=0, metadata={"metavar": "N"})
    """Keep the last N training identities (in sorted order) out of training, to choose settings on."""
    verify: bool = False
    """Decode all images again; refuse if the cache holds others, of files that kept size and time."""

    json: bool = False
    """Say at the end what became of the run as JSON, such as {"finished": true, ...}."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, least in (("seed", 0), ("holdout", 0), ("max_minutes", 0), ("checkpoint_minutes", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                msg = f"--{name.replace('_', '-')} must be {least} or more, got {value}"
                raise ValueError(msg)
