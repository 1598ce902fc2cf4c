"""Weights of similarity networks on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from engines.inference.model_files import BUNDLED_MODELS
from engines.inference.weights_list import FileRecord, WeightsList
from engines.networks.correlation_network import CorrelationNetwork, Design
from engines.registration.correlation.learned_similarity import LearnedSimilarity


class SimilarityRecord(FileRecord):
    """One similarity network's list entry: its design, its loss, and where it was trained."""

    branches: str
    gate: bool
    recipe: str
    machine: str


SIMILARITIES = WeightsList(
    name="similarities.json", schema="guidance-app/similarities/1", of="similarities", record=SimilarityRecord
)


def save_similarity(
    name: str, net: CorrelationNetwork, folder: Path, *, recipe: str, steps: int, seed: int, data: str, machine: str
) -> SimilarityRecord:
    """Write `<name>.safetensors` in half precision and enter it in the folder's list."""
    return SIMILARITIES.save(
        folder / f"{name}.safetensors", net, **asdict(net.design), recipe=recipe, steps=steps, seed=seed, data=data,
        machine=machine,
    )  # fmt: skip


def load_similarity(name: str, folder: Path = BUNDLED_MODELS) -> LearnedSimilarity:
    """The network of that name, verified.

    Raises:
        InputError: it is not in the folder's list, or its file is missing, was changed or belongs to another network.
    """
    path = folder / f"{name}.safetensors"
    record, tensors = SIMILARITIES.load(path)
    net = CorrelationNetwork(
        Design(branches="single" if record.branches == "single" else "global-local", gate=record.gate)
    )
    SIMILARITIES.fill(net, tensors, path)
    return LearnedSimilarity(name, net)
