"""Weights of pose networks on disk."""

from __future__ import annotations

from pathlib import Path

from engines.registration.network_files import filled, read_network, save_network
from engines.registration.pose_network import PoseNetwork


def save_pose_network(net: PoseNetwork, path: Path, *, steps: int, seed: int) -> None:
    """Write the weights in half precision and enter them in the list beside them."""
    save_network(path, net, design={"width": net.width}, steps=steps, seed=seed)


def load_pose_network(path: Path) -> PoseNetwork:
    """The network in evaluation mode.

    Raises:
        InputError: the file is missing, not in the list beside it, changed, or of something else.
    """
    record, tensors = read_network(path, "pose")
    net = PoseNetwork(int(record.design.get("width", 0)) or 16)
    filled(net, tensors, path)
    return net
