"""Checkpoints: folders of safetensors and JSON, written beside and renamed into place, never a pickle.

`RUN/checkpoints/STAGE/00001640/` holds `networks.safetensors`, `optimizers.safetensors` and `state.json`.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import stat
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
from genreid.data.plain_file import read_json_object
from genreid.data.whole_file import flush, sha256_of, usual_mode
from genreid.runs.run import Run

logger = logging.getLogger(__name__)

KEPT = 3
"""How many checkpoints of a stage stay on disk."""
FILES = _NETWORKS, _OPTIMIZERS, _STATE = "networks.safetensors", "optimizers.safetensors", "state.json"
"""What a checkpoint's folder holds."""
_KINDS = {"version": str, "stage": str, "step": int, "iterations": int, "facts": dict, "sha256": dict}
_OWN_HASH = "state_sha256"
"""Entry of `state.json`: the SHA-256 of all others; version 0.1.0 wrote none at first."""
_DRAFT = re.compile(r"\.draft-[0-9]{8,}-[0-9]+(-old)?")


class DamagedCheckpointError(ValueError):
    """What a checkpoint holds is not what was written: a file is missing, cut short or changed."""


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
    """Write a checkpoint into a stage's folder and delete all of the stage's but the newest three.

    What is damaged there is renamed, such as to `00001640.damaged`, and nothing else is touched.

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
    with checkpoint_beside(final, state.stage) as draft:
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
        record = json.loads(json.dumps(record))  # as it will be read
        record[_OWN_HASH] = _hash_of(record)
        (draft / _STATE).write_text(json.dumps(record, indent=1), encoding="utf-8")
    _tidy(folder, state)
    return final


@contextmanager
def checkpoint_beside(final: Path, stage: str) -> Iterator[Path]:
    """Give an empty folder that takes the place of a checkpoint at the end of the block, and not on an error.

    Drafts of processes that were killed are deleted. A whole checkpoint of this stage that is there is
    replaced, anything else is renamed.

    Args:
        final: RUN/checkpoints/STAGE/00001640.
        stage: Name of the stage.
    """
    delete_drafts(final.parent)
    draft = final.with_name(f".draft-{final.name}-{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        yield draft
        for path in (*draft.iterdir(), draft):
            flush(path)
        if final.exists():
            _delete_or_set_aside(final, stage)
        draft.rename(final)
        for path in (final.parent, final.parent.parent):
            flush(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def delete_drafts(folder: Path) -> None:
    """Delete what processes that were killed left half written or half deleted.

    Args:
        folder: RUN/checkpoints/STAGE; it need not exist.
    """
    for left in listed(folder):
        if _DRAFT.fullmatch(left.name) and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


def listed(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing if there is no such folder.

    Args:
        folder: The folder.

    Raises:
        OSError: If it cannot be read: that must not look like an empty one.
    """
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def checkpoint_folders(folder: Path) -> list[Path]:
    """Return the checkpoints of a stage, the newest first; other folders beside them are passed over.

    Args:
        folder: RUN/checkpoints/STAGE; it need not exist.

    Raises:
        ValueError: If there is a link in the place of a checkpoint.
        OSError: If a folder cannot be read.
    """
    numbered = [path for path in listed(folder) if re.fullmatch("[0-9]{8,}", path.name)]
    found = [path for path in numbered if path.name == f"{int(path.name):08d}" and _may_be_ours(path)]
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def stage_folders(run: Path) -> list[Path]:
    """Return RUN/checkpoints/STAGE of every stage that has a checkpoint.

    Args:
        run: The run folder; it need not exist.

    Raises:
        OSError: If a folder cannot be read.
    """
    return [path for path in listed(Run(run).checkpoints) if path.is_dir() and checkpoint_folders(path)]


def load_newest(folder: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint of a stage; a damaged one is named and the one before it is taken.

    Args:
        folder: RUN/checkpoints/STAGE; it need not exist.

    Returns:
        None if there is no checkpoint at all.

    Raises:
        DamagedCheckpointError: If there are checkpoints and none of them is whole.
        OSError: If one cannot be read, which says nothing of what it holds.
    """
    damaged: list[DamagedCheckpointError] = []
    for candidate in checkpoint_folders(folder):
        try:
            found = load_checkpoint(candidate)
        except DamagedCheckpointError as error:
            damaged.append(error)
            continue
        for problem in damaged:
            logger.warning("%s; the one before it is used", problem)
        return found
    if damaged:
        msg = (
            f"{folder}: none of its {len(damaged)} checkpoints is whole; the newest: {damaged[0]}. Nothing "
            f"was changed. Put a copy of one back; or move {folder} away, and the stage begins anew"
        )
        raise DamagedCheckpointError(msg)
    return None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint.

    Args:
        path: The folder of the checkpoint.

    Raises:
        DamagedCheckpointError: If a file is missing, truncated or changed.
        OSError: If a file cannot be read.
    """
    record = verified_state(path)
    state = CheckpointState(record["stage"], record["step"], record["iterations"], record["facts"])
    try:
        return Checkpoint(state, load_file(path / _NETWORKS), load_file(path / _OPTIMIZERS))
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:  # FileNotFoundError, too: the library says so where too many files are open
        raise _unreadable(path, error) from error


def verified_state(path: Path) -> Mapping[str, Any]:
    """Return what `state.json` of a checkpoint says, with the files of tensors found to be those it names.

    Args:
        path: The folder of the checkpoint.

    Raises:
        DamagedCheckpointError: If a file is missing, truncated or changed.
        OSError: If a file cannot be read.
    """
    record = read_state(path)
    for name, expected in record["sha256"].items():
        with _reading(path, name):
            if sha256_of(path / name) != expected:
                raise _damaged(path, f"{name} does not have the SHA-256 in {_STATE}")
    return record


def read_state(path: Path) -> Mapping[str, Any]:
    """Return what `state.json` of a checkpoint says; its tensors are not looked at.

    Args:
        path: The folder of the checkpoint.

    Raises:
        DamagedCheckpointError: If the file is missing, changed, or of another step than the folder.
        OSError: If it cannot be read.
    """
    with _reading(path, _STATE):
        try:
            record: dict[str, Any] = read_json_object(path / _STATE)
        except ValueError as error:
            raise _damaged(path, str(error).removeprefix(f"{path}/")) from error
    if record.keys() - {_OWN_HASH} != _KINDS.keys():
        raise _damaged(path, f"{_STATE} does not hold what was written")
    if _OWN_HASH in record and record[_OWN_HASH] != _hash_of(record):
        raise _damaged(path, f"{_STATE} does not have its own SHA-256")
    wrong = [name for name, kind in _KINDS.items() if not isinstance(record[name], kind)]
    if wrong or record["sha256"].keys() != {_NETWORKS, _OPTIMIZERS}:
        raise _damaged(path, f"{_STATE}: {(wrong or ['sha256'])[0]} is not what was written")
    if path.name != f"{record['step']:08d}":
        raise _damaged(path, f"{_STATE} is of step {record['step']}")
    return record


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
        with usual_mode(path):
            save_file(dict(tensors), path)
    except SafetensorError as error:  # a full disk, among others
        msg = f"cannot write {path}: {error}"
        raise OSError(msg) from error


def _hash_of(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that `state.json` says, but for the hash itself."""
    rest = {name: value for name, value in record.items() if name != _OWN_HASH}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _may_be_ours(path: Path) -> bool:
    """Tell whether a folder with a step's name is a checkpoint, whole or not, and no stranger's folder."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            msg = f"{path} is a link in the place of a checkpoint; put the folder itself there"
            raise ValueError(msg)
        names = {inside.name for inside in path.iterdir()} if stat.S_ISDIR(mode) else {path.name}
    except FileNotFoundError:  # deleted in the meantime by the process that trains
        return False
    except OSError as error:
        raise _unreadable(path, error) from error
    return not names or not names.isdisjoint(FILES)


def _tidy(folder: Path, state: CheckpointState) -> None:
    """Delete checkpoints that three newer ones of this stage supersede; set damaged ones aside."""
    folders = checkpoint_folders(folder)
    later = [path for path in folders if int(path.name) > state.step]  # training went back behind them
    try:
        for path in later:
            _set_aside_if_damaged(path)
        for path in folders[len(later) + KEPT :]:
            _delete_or_set_aside(path, state.stage)
    except OSError as error:  # the new one is saved; these can wait
        logger.warning("%s", error)


def _delete_or_set_aside(path: Path, stage: str) -> None:
    """Delete a checkpoint of this stage, rename a damaged one, and leave what is neither."""
    try:
        ours = read_state(path)["stage"] == stage
    except DamagedCheckpointError as error:
        _set_aside(path, error)
        return
    if ours:
        gone = path.with_name(f".draft-{path.name}-{os.getpid()}-old")
        path.rename(gone)  # at once: half of it must not look like a damaged one
        shutil.rmtree(gone, ignore_errors=True)


def _set_aside_if_damaged(path: Path) -> None:
    """Rename a checkpoint if a file of it is not what was written."""
    try:
        verified_state(path)
    except DamagedCheckpointError as error:
        _set_aside(path, error)


def _set_aside(path: Path, error: DamagedCheckpointError) -> None:
    """Rename a damaged checkpoint, so that it is out of the way and still there."""
    number, aside = 1, path.with_name(f"{path.name}.damaged")
    while aside.exists():
        number, aside = number + 1, path.with_name(f"{path.name}.damaged-{number + 1}")
    path.rename(aside)
    logger.warning("%s; it is now %s, to be deleted by you", error, aside.name)


@contextmanager
def _reading(path: Path, name: str) -> Iterator[None]:
    """Tell a file of a checkpoint that is not what was written from one that cannot be read."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise _damaged(path, f"no file {name}") from error
    except OSError as error:
        raise _unreadable(path / name, error) from error


def _damaged(path: Path, why: str) -> DamagedCheckpointError:
    """Name a damaged checkpoint."""
    return DamagedCheckpointError(f"checkpoint {path} is damaged: {why}")


def _unreadable(path: Path, error: OSError) -> OSError:
    """Say that something cannot be read, which is no damage, and what to do."""
    remedy = "mend that and type the command again"
    if isinstance(error, PermissionError):
        remedy = f"its owner can type `chmod -R a+rX {path}`; then type the command again"
    return OSError(f"cannot read {path}: {error.strerror or error}. Nothing was changed: {remedy}")
