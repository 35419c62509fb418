"""DG-Net's released weights: where each tensor of the authors' files belongs in the networks of this package.

The files are state dicts that the authors' public program wrote (commit 9855f08 of NVlabs/DG-Net). Names and
shapes alone are used here, as facts; nothing of the program, which is non-commercial, is. A generator's file
holds E_s and G, an identity file E_a with its two heads, a discriminator's D, a teacher's the network that
labels.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genreid.models.dgnet import DecoderConfig, ScaleDiscriminatorConfig, StructureConfig
from genreid.models.pretrained import first_few, read_state_dict
from genreid.models.sources import StateDict

LAYERS: Mapping[str, tuple[str, ...]] = {
    **{f"structure.stem.{i}": (f"enc_content.model.{i}.conv",) for i in range(4)},
    **{
        f"{network}.blocks.{i}.{name}": (f"{place}.model.{i}.model.{j}.conv",)
        for network, place in (("structure", "enc_content.model.4"), ("decoder", "dec.model.1"))
        for i in range(4)
        for j, name in enumerate(("first", "second"))
    },
    # four convolutions that read the same map are one here: their rows one after the other
    "structure.pyramid.reduce": tuple(
        f"enc_content.model.5.{branch}.conv" for branch in ("conv1", "conv6.0", "conv12.0", "conv18.0")
    ),
    **{
        f"structure.pyramid.dilated.{i}": (f"enc_content.model.5.{branch}.1.conv",)
        for i, branch in enumerate(("conv6", "conv12", "conv18"))
    },
    "structure.pyramid.fuse": ("enc_content.model.5.fuse.conv",),
    **{f"decoder.norms.{i}": (f"dec.model.{place}.norm",) for i, place in enumerate((3, 5))},
    **{f"decoder.enlarge.{i}": (f"dec.model.{place}.conv",) for i, place in enumerate((3, 5))},
    **{f"decoder.refine.{i}": (f"dec.model.{place}.conv",) for i, place in enumerate((6, 7))},
    "decoder.paint": ("dec.model.8.conv",),
    **{
        f"decoder.{kind}.{i}.{2 * j}": (f"mlp_{letter}{i + 1}.model.{j}.fc",)
        for kind, letter in (("scales", "w"), ("shifts", "b"))
        for i in range(4)
        for j in range(3)
    },
}
"""A layer of E_s or G -> the authors' layers that it is made of."""
_JUDGE = {
    **{f"stem.{i}": f"{i}.conv" for i in range(5)},
    **{
        f"blocks.{i}.{name}": f"{5 + i}.model.{j}.conv"
        for i in range(4)
        for j, name in enumerate(("first", "second"))
    },
    "score": "9",
}
_HEADS = {"appearance.primary": "classifier1", "appearance.fine": "classifier2", "identity": "classifier"}
_UNUSED = re.compile(
    r"dec\.model\.1\.model\.\d\.model\.[01]\.norm\.running_(mean|var)|model\.fc\.(weight|bias)|.*\.nonloc\..*"
)
"""What the files hold and no network reads: buffers of AdaIN that are never updated, ImageNet's classifier,
and blocks of attention that the published program does not have, either."""


class Taken(NamedTuple):
    """What became of a file.

    Attributes:
        taken: How many of its tensors were taken.
        dropped: Names of those that no network reads.
        attention: Largest |gamma| of the dropped blocks of attention: 0 if they had no effect, or there are
            none.
    """

    taken: int
    dropped: tuple[str, ...]
    attention: float


def read_released(path: Path) -> StateDict:
    """Read one of the authors' files, without running anything that it holds.

    Args:
        path: A state dict, alone or under the key `a`, of a network on one GPU or on several (`module.`).

    Returns:
        The authors' names -> tensors, on the CPU.

    Raises:
        ValueError: If the file is not there, is damaged, or holds no state dict.
    """
    return {key.removeprefix("module."): value for key, value in read_state_dict(path, inside="a").items()}


def generator_configs(state: Mapping[str, Tensor], path: Path) -> tuple[StructureConfig, DecoderConfig]:
    """Read the widths of E_s and G.

    Args:
        state: Of a generator's file.
        path: The file, for the message.

    Raises:
        ValueError: If it is no generator's file.
    """
    return (
        StructureConfig(width=_rows(state, "enc_content.model.0.conv.weight", path, "--generator gen_*.pt")),
        DecoderConfig(mlp_width=_rows(state, "mlp_w1.model.0.fc.weight", path, "--generator gen_*.pt")),
    )


def discriminator_config(state: Mapping[str, Tensor], path: Path) -> ScaleDiscriminatorConfig:
    """Read width and number of scales of D.

    Args:
        state: Of a discriminator's file.
        path: The file, for the message.

    Raises:
        ValueError: If it is no discriminator's file.
    """
    width = _rows(state, "cnns.0.0.conv.weight", path, "--discriminator dis_*.pt")
    return ScaleDiscriminatorConfig(
        width=width, scales=len({key.split(".")[1] for key in state if key.startswith("cnns.")})
    )


class HeadWidths(NamedTuple):
    """`width` of the embedding that a classifier reads, and `num_classes`, the people that it knows."""

    width: int
    num_classes: int


def head_widths(state: Mapping[str, Tensor], path: Path, *, teacher: bool = False) -> HeadWidths:
    """Read the widths of E_a's primary head, or of the teacher's only one.

    Args:
        state: Of an identity file, or of a teacher's.
        path: The file, for the message.
        teacher: Which of both it is.

    Raises:
        ValueError: If it is not of that kind.
    """
    head = "classifier" if teacher else "classifier1"
    option = "--teacher net_last.pth" if teacher else "--identity id_*.pt"
    return HeadWidths(
        _rows(state, f"{head}.add_block.0.weight", path, option),
        _rows(state, f"{head}.classifier.0.weight", path, option),
    )


def fill_networks(networks: Mapping[str, nn.Module], state: Mapping[str, Tensor], path: Path) -> Taken:
    """Give networks the tensors of one of the authors' files, every one exactly once.

    Args:
        networks: What the file holds, by name (`structure` and `decoder`, `discriminator`, `appearance` or
            `identity`), built with the file's widths; changed in place.
        state: Of the file.
        path: The file, for the message.

    Raises:
        ValueError: Naming missing and surplus tensors and wrong shapes, by the authors' names.
    """
    wanted = {
        f"{name}.{key}": value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    sources = {key: authors_names(key) for key in wanted}
    known = {source for several in sources.values() for source in several}
    missing = sorted(known - {key for key in known if key in state or key.endswith("num_batches_tracked")})
    dropped = [key for key in state if key not in known and _UNUSED.fullmatch(key)]
    surplus = [key for key in state if key not in known and not _UNUSED.fullmatch(key)]
    made = {
        key: _joined([state[source] for source in several])
        for key, several in sources.items()
        if all(source in state for source in several)
    }
    misshapen = [
        f"{' + '.join(sources[key])} {list(value.shape)} for {list(wanted[key].shape)}"
        for key, value in made.items()
        if value.shape != wanted[key].shape
    ]
    problems = [
        f"{title}: {first_few(names)}"
        for title, names in (("missing", missing), ("surplus", surplus), ("wrong shape", misshapen))
        if names
    ]
    if problems:
        msg = f"{path} is not of the published DG-Net; {'; '.join(problems)}"
        raise ValueError(msg)
    for name, network in networks.items():
        prefix = f"{name}."
        own = {key.removeprefix(prefix): value for key, value in made.items() if key.startswith(prefix)}
        network.load_state_dict(own, strict=False)  # a counter of batches may be missing: it stays 0
    gammas = [state[key].abs().max().item() for key in dropped if key.endswith(".nonloc.gamma")]
    return Taken(len(state) - len(dropped), tuple(dropped), max(gammas, default=0.0))


def authors_names(key: str) -> tuple[str, ...]:
    """Return what the authors' files call a tensor; four names where four of theirs are one here.

    Args:
        key: `NETWORK.NAME`, as a checkpoint has it.
    """
    layer, _, leaf = key.rpartition(".")
    if layer in LAYERS:
        return tuple(f"{place}.{leaf}" for place in LAYERS[layer])
    judge = re.fullmatch(r"discriminator\.judges\.(\d+)\.(.*)", layer)
    if judge is not None:
        return (f"cnns.{judge[1]}.{_JUDGE[judge[2]]}.{leaf}",)
    network, _, rest = key.partition(".")
    if rest.startswith("backbone."):
        return (f"model.{rest.removeprefix('backbone.')}",)
    for ours, theirs in _HEADS.items():
        for part, place in (("bottleneck", "add_block"), ("classifier", "classifier.0")):
            if key.startswith(f"{ours}.{part}."):
                return (f"{theirs}.{place}{key.removeprefix(f'{ours}.{part}')}",)
    msg = f"{network} has no tensor {rest}"
    raise AssertionError(msg)


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """Put rows one after the other."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def _rows(state: Mapping[str, Tensor], key: str, path: Path, option: str) -> int:
    """Return the first size of a tensor, which is the width of its layer."""
    if key not in state or state[key].ndim == 0:
        msg = f"{path} holds no {key}; expected {option} of DG-Net, got {first_few(list(state))}"
        raise ValueError(msg)
    return state[key].shape[0]
