"""Weights of the small pose-giving networks on disk, and the list beside them that vouches for each file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pydantic
import safetensors.torch
import torch
from safetensors import SafetensorError

from calibration.errors import InputError
from calibration.store import write_bytes, write_json

LIST_NAME = "pose_networks.json"
SCHEMA = "guidance-app/pose-networks/1"


class NetworkRecord(pydantic.BaseModel):
    """One network: what is needed to build it, how it was trained, and the sha-256 of its only file."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    design: dict[str, float]
    steps: int
    seed: int
    data: str
    sha256: str


class NetworkList(pydantic.BaseModel):
    """`pose_networks.json`."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_: str = pydantic.Field(default=SCHEMA, alias="schema", pattern=f"^{SCHEMA}$")
    models: dict[str, NetworkRecord] = {}


def save_network(path: Path, net: torch.nn.Module, *, design: dict[str, float], steps: int, seed: int) -> None:
    """Write the weights in half precision, whole or not at all, and enter them in the folder's list."""
    halved = {n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in net.state_dict().items()}
    content = safetensors.torch.save(halved, metadata={"schema": SCHEMA})
    known = _read_list(path.parent) if (path.parent / LIST_NAME).exists() else NetworkList()
    record = NetworkRecord(
        design=design,
        steps=steps,
        seed=seed,
        data="invented vessel trees (engines/training/pose_patients.py); no patient, no real picture",
        sha256=hashlib.sha256(content).hexdigest(),
    )
    write_bytes(path, content)
    models = dict(sorted({**known.models, path.stem: record}.items()))
    write_json(path.parent / LIST_NAME, NetworkList(models=models).model_dump(by_alias=True))


def read_network(path: Path, train: str) -> tuple[NetworkRecord, dict[str, torch.Tensor]]:
    """What the list says of a file and its tensors in full precision, once its sha-256 is the list's.

    Args:
        train: name of the network for `guidance-app train`.

    Raises:
        InputError: the file is missing, not in the list, changed or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: no weights ({error.strerror}); make them with `guidance-app train {train}`"
        ) from error
    record = _read_list(path.parent).models.get(path.stem)
    if record is None:
        raise InputError(f"{path}: not listed in {LIST_NAME}; make it anew with `guidance-app train {train}`")
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise InputError(
            f"{path}: refused, its sha-256 is {found[:12]}..., {LIST_NAME} says {record.sha256[:12]}...; "
            "the weights were changed or cut short: restore the model folder"
        )
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise InputError(f"{path}: no safetensors ({error}); make it with `guidance-app train {train}`") from error
    return record, {n: v.float() if v.dtype == torch.float16 else v for n, v in tensors.items()}


def filled(net: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load tensors and set evaluation mode; InputError where they are of another network."""
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit the network that {LIST_NAME} states; train again") from error
    net.eval()


def _read_list(folder: Path) -> NetworkList:
    path = folder / LIST_NAME
    try:
        return NetworkList.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot read the list of networks ({error.strerror}); restore it") from error
    except ValueError as error:
        raise InputError(f"{path}: not a list of networks ({str(error).splitlines()[0]}); restore it") from error
