"""Read and write the weights of the pose and affine networks."""

from __future__ import annotations

from pathlib import Path

from calibration.store import write_bytes
from engines.inference.model_files import sha256
from engines.networks.affine_network import PAPER_PX, AffineNetwork
from engines.networks.pose_network import PoseNetwork
from engines.registration.networks.pose_list import POSE_NETWORKS

_DATA = "invented vessel trees (engines/simulation/training_patients/patients.py); no patient, no real picture"


def save_pose_network(net: PoseNetwork, path: Path, *, steps: int, seed: int, graph: bytes = b"") -> None:
    """Write the weights in half precision and enter them in the list beside them.

    Args:
        graph: the same network as ONNX, for searches on the live path (`engines.training.pose.pose_export`).
    """
    if graph:
        write_bytes(path.with_suffix(".onnx"), graph)
    POSE_NETWORKS.save(
        path, net, design={"width": net.width}, steps=steps, seed=seed, data=_DATA, onnx=sha256(graph) if graph else ""
    )


def load_pose_network(path: Path) -> PoseNetwork:
    """The network in evaluation mode.

    Raises:
        InputError: the file is missing, not in the list beside it, changed, or of something else.
    """
    record, tensors = POSE_NETWORKS.load(path)
    net = PoseNetwork(int(record.design.get("width", 0)) or 16)
    POSE_NETWORKS.fill(net, tensors, path)
    return net


def save_affine_network(net: AffineNetwork, path: Path, *, steps: int, seed: int) -> None:
    """Write the weights in half precision and enter them in the list beside them."""
    design = {"size_px": net.size_px, "share": net.share}
    POSE_NETWORKS.save(path, net, design=design, steps=steps, seed=seed, data=_DATA)


def load_affine_network(path: Path) -> AffineNetwork:
    """The network in evaluation mode.

    Raises:
        InputError: the file is missing, not in the list beside it, changed, or of something else.
    """
    record, tensors = POSE_NETWORKS.load(path)
    net = AffineNetwork(int(record.design.get("size_px", PAPER_PX)), record.design.get("share", 1.0))
    POSE_NETWORKS.fill(net, tensors, path)
    return net
