"""Checkpoints: folders of safetensors and JSON, written beside and renamed into place, never a pickle.

`RUN/checkpoints/STAGE/00001640/` holds `networks.safetensors`, `optimizers.safetensors` and `state.json`.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genreid import __version__
from genreid.data.whole_file import sha256_of

logger = logging.getLogger(__name__)

KEPT = 3
"""How many checkpoints of a stage stay on disk."""
_DAMAGE = (
    OSError,
    KeyError,
    TypeError,
    AttributeError,
    UnicodeDecodeError,
    json.JSONDecodeError,
    SafetensorError,
)
"""What reading a missing, truncated or changed file can raise."""
_NETWORKS, _OPTIMIZERS, _STATE = "networks.safetensors", "optimizers.safetensors", "state.json"


@dataclass(frozen=True)
class CheckpointState:
    """What a checkpoint knows beside its tensors.

    Attributes:
        stage: Name of the stage, such as `rendering`.
        step: Iterations that are done.
        iterations: Length of the stage.
        facts: Numbers and texts needed to rebuild the networks (class counts, fingerprints, config).
    """

    stage: str
    step: int
    iterations: int
    facts: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether the stage has run its whole length."""
        return self.step >= self.iterations


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint in memory.

    Attributes:
        state: Step, stage, facts.
        networks: Tensors by `network.parameter`.
        optimizers: Tensors by `optimizer.index.name`.
    """

    state: CheckpointState
    networks: Mapping[str, Tensor]
    optimizers: Mapping[str, Tensor]

    def network(self, name: str) -> dict[str, Tensor]:
        """Return the state dict of one network.

        Args:
            name: Name of the network in its stage.

        Raises:
            ValueError: If the checkpoint holds no such network.
        """
        prefix = f"{name}."
        found = {key[len(prefix) :]: value for key, value in self.networks.items() if key.startswith(prefix)}
        if not found:
            known = sorted({key.split(".", 1)[0] for key in self.networks})
            msg = f"checkpoint of stage {self.state.stage} holds no network {name!r}, but {', '.join(known)}"
            raise ValueError(msg)
        return found


def save_checkpoint(
    folder: Path,
    state: CheckpointState,
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> Path:
    """Write a checkpoint into a stage's folder and delete all but the newest three.

    Args:
        folder: RUN/checkpoints/STAGE.
        state: Step, stage, facts.
        networks: Networks by name.
        optimizers: Optimisers by name; their learning rates are functions of the step and not stored.

    Returns:
        The folder of the new checkpoint.

    Raises:
        OSError: If the disk does not take it; what was there before is still there.
    """
    final = folder / f"{state.step:08d}"
    tensors = {
        _NETWORKS: {name: network.state_dict() for name, network in networks.items()},
        _OPTIMIZERS: {name: _moments(optimizer) for name, optimizer in optimizers.items()},
    }
    with checkpoint_beside(final) as draft:
        for name, named in tensors.items():
            plain = {f"{n}.{k}": _plain(v) for n, one in named.items() for k, v in one.items()}
            _save_tensors(plain, draft / name)
        record = {
            "version": __version__,
            "stage": state.stage,
            "step": state.step,
            "iterations": state.iterations,
            "facts": state.facts,
            "sha256": {name: sha256_of(draft / name) for name in tensors},
        }
        (draft / _STATE).write_text(json.dumps(record, indent=1), encoding="utf-8")
    for later in checkpoint_folders(folder):
        if int(later.name) > state.step:  # training went back behind it, so it was damaged
            shutil.rmtree(later)
    for old in checkpoint_folders(folder)[KEPT:]:
        shutil.rmtree(old)
    return final


@contextmanager
def checkpoint_beside(final: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of a checkpoint at the end of the block, and not on an error.

    Drafts of processes that were killed are deleted.

    Args:
        final: RUN/checkpoints/STAGE/00001640.
    """
    for left in final.parent.glob(".draft-*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = final.with_name(f".draft-{final.name}-{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        yield draft
        if final.exists():
            shutil.rmtree(final)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def checkpoint_folders(folder: Path) -> list[Path]:
    """Return the checkpoints of a stage, the newest first.

    Args:
        folder: RUN/checkpoints/STAGE; it need not exist.
    """
    return sorted((p for p in folder.glob("[0-9]*") if p.is_dir()), key=lambda p: int(p.name), reverse=True)


def load_newest(folder: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint of a stage; a damaged one is named and the one before it is taken.

    Args:
        folder: RUN/checkpoints/STAGE; it need not exist.
    """
    candidates = checkpoint_folders(folder)
    for number, candidate in enumerate(candidates, start=1):
        try:
            return load_checkpoint(candidate)
        except ValueError as error:
            last = number == len(candidates)
            logger.warning("%s; %s", error, "no other is left" if last else "the one before it is used")
    return None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint.

    Args:
        path: The folder of the checkpoint.

    Raises:
        ValueError: If a file is missing, truncated or changed.
    """
    try:
        record = json.loads((path / _STATE).read_text(encoding="utf-8"))
        for name, expected in record["sha256"].items():
            if sha256_of(path / name) != expected:
                msg = f"checkpoint {path} is damaged: {name} does not have the SHA-256 in {_STATE}"
                raise ValueError(msg)
        state = CheckpointState(record["stage"], record["step"], record["iterations"], record["facts"])
        return Checkpoint(state, load_file(path / _NETWORKS), load_file(path / _OPTIMIZERS))
    except _DAMAGE as error:
        msg = f"checkpoint {path} is damaged: {error}"
        raise ValueError(msg) from error


def restore_optimizer(optimizer: torch.optim.Optimizer, checkpoint: Checkpoint, name: str) -> None:
    """Put the moments of a checkpoint into an optimiser made with the same parameters.

    Args:
        optimizer: The optimiser to change.
        checkpoint: Where the moments are.
        name: Name of the optimiser in its stage.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in checkpoint.optimizers.items():
        owner, index, moment = key.split(".", 2)
        if owner == name:
            state.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, moments in optimizer.state.items():
        for moment, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # laid out in memory as its parameter is
                moments[moment] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's tensors by `index.name`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, moments in state.items()
        for name, value in moments.items()
        if isinstance(value, Tensor)
    }


def _plain(tensor: Tensor) -> Tensor:
    """Return a tensor as safetensors wants it: on the CPU, row after row in memory."""
    return tensor.detach().cpu().contiguous()


def _save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a file of tensors."""
    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:  # a full disk, among others
        msg = f"cannot write {path}: {error}"
        raise OSError(msg) from error
