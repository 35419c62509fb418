"""The weights of TensorFlow's Inception, from a file that the user has: no package carries them."""

from pathlib import Path

from genreid.models.inception import InceptionFeatures
from genreid.models.pretrained import read_state_dict, sha256_of
from genreid.quality.features import FeatureNetwork

FILE = "pt_inception-2015-12-05-6726825d.pth"
"""The file's name: the network of TensorFlow's inception-2015-12-05.tgz as a state dict (95,628,359 bytes), a
release asset of the project `pytorch-fid`, which torch-fidelity keeps as `weights-inception-...`."""
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
MISSING = f"no --inception-weights FILE; give {FILE}, which no package carries (docs/quality.md)"
"""Why a figure of Inception's features is missing."""


def load_inception(path: Path, sha256: str = SHA256) -> FeatureNetwork:
    """Load the network.

    Args:
        path: The file.
        sha256: What it must have.

    Raises:
        ValueError: If it is not there, or another file.
    """
    if not path.is_file():
        msg = f"--inception-weights {path}: there is no such file; give {FILE}"
        raise ValueError(msg)
    found = sha256_of(path)
    if found != sha256:
        msg = (
            f"--inception-weights {path} has SHA-256 {found}, expected {sha256}; figures of another network "
            f"are not FID: give {FILE}"
        )
        raise ValueError(msg)
    features = InceptionFeatures()
    features.network.load_state_dict(read_state_dict(path))
    return FeatureNetwork("Inception", features.eval(), sha256)
