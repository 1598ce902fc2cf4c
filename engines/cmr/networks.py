"""Read and write the weights of the networks of CT-CMR fusion."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeVar

import torch

from calibration.errors import InputError
from engines.inference.weights_list import FileRecord, WeightsList

DATA = "invented patients (engines/simulation/cmr, split train); no patient, no real picture"


class CmrRecord(FileRecord):
    """A network's list entry; `design` holds what is needed to build it."""

    design: dict[str, int]


CMR_NETWORKS = WeightsList(
    name="cmr_networks.json", schema="guidance-app/cmr-networks/1", of="networks", record=CmrRecord
)
Net = TypeVar("Net", bound=torch.nn.Module)


def save_cmr_network(net: torch.nn.Module, path: Path, *, design: dict[str, int], steps: int, seed: int) -> None:
    """Write the weights in half precision and enter them in the list beside them."""
    CMR_NETWORKS.save(path, net, design=design, steps=steps, seed=seed, data=DATA)


def load_cmr_network(name: str, build: Callable[[dict[str, int]], Net], folder: Path | None = None) -> Net:
    """A network in evaluation mode; the shipped one where no folder is given.

    Raises:
        InputError: the file is missing, not in the list beside it, changed, or of another network.
    """
    if folder is None:
        with as_file(files("assets").joinpath("models")) as shipped:
            return load_cmr_network(name, build, shipped)
    path = folder / f"{name}.safetensors"
    record, tensors = CMR_NETWORKS.load(path)
    try:
        net = build(record.design)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: its list entry does not describe the network; train again") from error
    CMR_NETWORKS.fill(net, tensors, path)
    return net.eval()
