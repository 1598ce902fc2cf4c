"""The list of the pose and affine networks; without their library."""

from __future__ import annotations

from pathlib import Path

from engines.inference.weights_list import FileRecord, WeightsList


class NetworkRecord(FileRecord):
    """A network's list entry.

    Args:
        design: what is needed to build it.
        onnx: sha-256 of the same weights as a graph, `NAME.onnx`; "" where there is none.
    """

    design: dict[str, float]
    onnx: str = ""


POSE_NETWORKS = WeightsList(
    name="pose_networks.json", schema="guidance-app/pose-networks/1", of="networks", record=NetworkRecord
)


def shipped_weights(name: str) -> Path:
    """The path of the shipped weights of this network."""
    import importlib.resources

    return Path(str(importlib.resources.files("assets"))) / "models" / f"{name}.safetensors"
