"""Weights of pose networks on disk."""

from __future__ import annotations

from pathlib import Path

from engines.inference.weights_list import POSE_DATA, POSE_NETWORKS
from engines.networks.pose_network import PoseNetwork


def save_pose_network(net: PoseNetwork, path: Path, *, steps: int, seed: int) -> None:
    """Write the weights in half precision and enter them in the list beside them."""
    POSE_NETWORKS.save(path, net, design={"width": net.width}, steps=steps, seed=seed, data=POSE_DATA)


def load_pose_network(path: Path) -> PoseNetwork:
    """The network in evaluation mode.

    Raises:
        InputError: the file is missing, not in the list beside it, changed, or of something else.
    """
    record, tensors = POSE_NETWORKS.load(path)
    net = PoseNetwork(int(record.design.get("width", 0)) or 16)
    POSE_NETWORKS.fill(net, tensors, path)
    return net
