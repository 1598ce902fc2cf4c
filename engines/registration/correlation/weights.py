"""Weights of similarity networks on disk, and the list that vouches for them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pydantic
import safetensors.torch
from safetensors import SafetensorError

from calibration.errors import InputError
from calibration.store import write_bytes, write_json
from engines.inference.model_files import BUNDLED_MODELS
from engines.registration.correlation.network import CorrelationNetwork, Design
from engines.registration.correlation.similarity import LearnedSimilarity

LIST_NAME = "similarities.json"
SCHEMA = "guidance-app/similarities/1"


class SimilarityRecord(pydantic.BaseModel):
    """One network: what it is, how it was trained, and the sha-256 of its only file."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    branches: str
    gate: bool
    recipe: str
    steps: int
    seed: int
    data: str
    machine: str
    sha256: str


class SimilarityList(pydantic.BaseModel):
    """`similarities.json`, beside the weights."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_: str = pydantic.Field(default=SCHEMA, alias="schema", pattern=f"^{SCHEMA}$")
    models: dict[str, SimilarityRecord] = {}


def save_similarity(
    name: str, net: CorrelationNetwork, folder: Path, *, recipe: str, steps: int, seed: int, data: str, machine: str
) -> SimilarityRecord:
    """Write `<name>.safetensors` in half precision and enter it in the folder's list."""
    halved = {key: value.half().contiguous() for key, value in net.state_dict().items()}
    content = safetensors.torch.save(halved, metadata={"schema": SCHEMA})
    known = read_list(folder) if (folder / LIST_NAME).exists() else SimilarityList()
    record = SimilarityRecord(
        **asdict(net.design), recipe=recipe, steps=steps, seed=seed, data=data, machine=machine,
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    write_bytes(folder / f"{name}.safetensors", content)
    models = dict(sorted({**known.models, name: record}.items()))
    write_json(folder / LIST_NAME, SimilarityList(models=models).model_dump(by_alias=True))
    return record


def load_similarity(name: str, folder: Path = BUNDLED_MODELS) -> LearnedSimilarity:
    """The network of that name, verified.

    Raises:
        InputError: it is not in the folder's list, or its file is missing, changed or of another network.
    """
    record = read_list(folder).models.get(name)
    path = folder / f"{name}.safetensors"
    if record is None:
        raise InputError(f"{path}: not listed in {LIST_NAME}; train it with `guidance-app train {name}`")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the weights ({error.strerror}); restore the model folder") from error
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise InputError(
            f"{path}: refused, its sha-256 is {found[:12]}..., {LIST_NAME} says {record.sha256[:12]}...; "
            "the weights were changed or cut short: restore the model folder"
        )
    design = Design(branches="single" if record.branches == "single" else "global-local", gate=record.gate)
    net = CorrelationNetwork(design)
    try:
        net.load_state_dict({key: value.float() for key, value in safetensors.torch.load(content).items()})
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: its weights do not fit {design}; train again") from error
    return LearnedSimilarity(name, net)


def read_list(folder: Path) -> SimilarityList:
    """Raises InputError where there is none or it cannot be understood."""
    path = folder / LIST_NAME
    try:
        return SimilarityList.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(
            f"{path}: cannot read the list of similarities ({error.strerror}); "
            "make one with `guidance-app train correlation`"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not a list of similarities ({str(error).splitlines()[0]}); restore it") from error
