"""Weights of pose networks on disk: safetensors with what is needed to build the network in the header."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from calibration.errors import InputError
from calibration.store import write_bytes
from engines.registration.pose_network import PoseNetwork

SCHEMA = "guidance-app/pose-network/1"


def save_pose_network(net: PoseNetwork, path: Path, *, steps: int, seed: int) -> None:
    """Write the weights in half precision, whole or not at all."""
    halved = {n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in net.state_dict().items()}
    header = {"schema": SCHEMA, "width": str(net.width), "steps": str(steps), "seed": str(seed)}
    write_bytes(path, safetensors.torch.save(halved, metadata=header))


def load_pose_network(path: Path) -> PoseNetwork:
    """The network in evaluation mode.

    Raises:
        InputError: the file is missing, damaged, or of something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: no weights of a pose network ({error}); make them with `guidance-app train pose`"
        ) from error
    if header.get("schema") != SCHEMA or not header.get("width", "").isdigit():
        raise InputError(f"{path}: schema is {header.get('schema')!r}, expected {SCHEMA!r}; give a pose network")
    net = PoseNetwork(int(header["width"]))
    try:
        net.load_state_dict({n: v.float() if v.dtype == torch.float16 else v for n, v in tensors.items()})
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit a pose network of width {net.width}; train again") from error
    return net.eval()
