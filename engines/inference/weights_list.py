"""Weights of the small networks on disk: one half-precision safetensors file each, and a list of their checksums."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pydantic

from calibration.errors import InputError
from calibration.store import write_bytes, write_json
from engines.inference.model_files import sha256, verified_bytes

if TYPE_CHECKING:
    import torch


class FileRecord(pydantic.BaseModel):
    """A network's entry in a list; each sort of network adds the fields that are needed to build it."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    steps: int
    seed: int
    data: str
    sha256: str


Record = TypeVar("Record", bound=FileRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsList(Generic[Record]):
    """The list of one sort of network, a JSON file beside the weights; only listed files are ever loaded.

    Args:
        name: the list's file name.
        of: what is listed, for messages.
    """

    name: str
    schema: str
    of: str
    record: type[Record]

    def save(self, path: Path, net: torch.nn.Module, **stated: Any) -> Record:
        """Write the complete weights or nothing, and enter them in the list with the fields `stated`."""
        import safetensors.torch

        halved = {n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in net.state_dict().items()}
        content = safetensors.torch.save(halved, metadata={"schema": self.schema})
        known = self.read(path.parent) if (path.parent / self.name).exists() else {}
        record = self.record(**stated, sha256=sha256(content))
        write_bytes(path, content)
        models = {name: entry.model_dump() for name, entry in sorted({**known, path.stem: record}.items())}
        write_json(path.parent / self.name, {"schema": self.schema, "models": models})
        return record

    def load(self, path: Path) -> tuple[Record, dict[str, torch.Tensor]]:
        """A file's list entry and its tensors in full precision, after its sha-256 was compared with the list's.

        Raises:
            InputError: the file is missing, not in the list, changed or damaged.
        """
        import safetensors.torch
        import torch

        again = f"make it with `guidance-app train {path.stem}`"
        record = self.read(path.parent, again).get(path.stem)
        if record is None:
            raise InputError(f"{path}: not listed in {self.name}; {again}")
        content = verified_bytes(path, record.sha256, self.name)
        try:
            tensors = safetensors.torch.load(content)
        except safetensors.SafetensorError as error:
            raise InputError(f"{path}: no safetensors ({error}); {again}") from error
        return record, {n: v.float() if v.dtype == torch.float16 else v for n, v in tensors.items()}

    def fill(self, net: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
        """Load tensors into a network and set evaluation mode. Raises InputError if they belong to another network."""
        try:
            net.load_state_dict(tensors)
        except RuntimeError as error:
            raise InputError(
                f"{path}: its weights do not fit the network that {self.name} states; train again"
            ) from error
        net.eval()

    def read(self, folder: Path, again: str = "restore the model folder") -> dict[str, Record]:
        """The list entries of a folder's networks by name.

        Args:
            again: what to do if there is no list, for the message.

        Raises:
            InputError: the list is missing, or cannot be understood.
        """
        path = folder / self.name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if set(content) - {"schema", "models"} or content["schema"] != self.schema:
                raise ValueError(f"expected schema {self.schema} and models")
            return {name: self.record.model_validate(entry) for name, entry in content.get("models", {}).items()}
        except OSError as error:
            raise InputError(f"{path}: cannot read the list of {self.of} ({error.strerror}); {again}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a list of {self.of} ({str(error).splitlines()[0]}); restore it") from error
