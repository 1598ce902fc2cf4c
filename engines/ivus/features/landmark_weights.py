"""Read and write the weights of the networks over (angle, length)."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from engines.inference.weights_list import FileRecord, WeightsList
from engines.networks.ivus_network import PolarLandmarkNet


class LandmarkRecord(FileRecord):
    """The network's list entry; `design` holds what is needed to build it."""

    design: dict[str, int]


IVUS_NETWORKS = WeightsList(
    name="ivus_networks.json", schema="guidance-app/ivus-networks/1", of="networks", record=LandmarkRecord
)
_DATA = "invented pullbacks (engines/simulation/ivus, split train); no patient, no real picture"


def save_landmark_network(net: PolarLandmarkNet, path: Path, *, steps: int, seed: int) -> None:
    """Write the weights in half precision and enter them in the list beside them."""
    IVUS_NETWORKS.save(path, net, design=net.design, steps=steps, seed=seed, data=_DATA)


def load_landmark_network(path: Path | None = None, *, of: str = "ivus") -> PolarLandmarkNet:
    """The network in evaluation mode; the shipped one where no path is given.

    Args:
        of: which of the shipped ones: "border" (the lumen in frames), "ivus" (landmarks in frames) or "ct".

    Raises:
        InputError: the file is missing, not in the list beside it, changed, or of something else.
    """
    if path is None:
        name = {"border": "ivus_border", "ivus": "ivus_landmarks", "ct": "ivus_ct_landmarks"}[of]
        with as_file(files("assets").joinpath(f"models/{name}.safetensors")) as shipped:
            return load_landmark_network(shipped)
    record, tensors = IVUS_NETWORKS.load(path)
    net = PolarLandmarkNet(**record.design)
    IVUS_NETWORKS.fill(net, tensors, path)
    return net.eval()
