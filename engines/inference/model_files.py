"""The files of a shipped network, and the manifest that lists their checksums."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pydantic

from calibration.errors import InputError

MANIFEST_NAME = "manifest.json"
SCHEMA = "guidance-app/models/1"
BUNDLED_MODELS = Path(__file__).resolve().parents[2] / "assets" / "models"


class _Gate(pydantic.BaseModel):
    """What another graph loses against the 32-bit one on unseen synthetic pictures, in percentage points of Dice.

    `dice` maps each class to its pooled Dice over all the pictures.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    pictures: int
    seed: int
    dice: dict[str, float]
    limit_points: float

    @property
    def other_dice(self) -> dict[str, float]:
        raise NotImplementedError

    @property
    def lost_points(self) -> float:
        """The loss of the class that lost most; negative if every class gained."""
        return max(self.dice[name] - self.other_dice.get(name, 0.0) for name in self.dice)

    @property
    def passed(self) -> bool:
        return self.lost_points <= self.limit_points


class Int8Gate(_Gate):
    """Of the 8-bit graph, whose Dice is `dice_int8`."""

    dice_int8: dict[str, float]

    @property
    def other_dice(self) -> dict[str, float]:
        return self.dice_int8


class NarrowGate(_Gate):
    """Of the narrow network beside a wide one. Devices are told and do not count: guidance reads vessels alone.

    Args:
        width: channels of its first block.
        steps: of its distillation from the wide one.
        training_seed: of the same.
        channels: of its input; None where it takes what the wide one takes.
    """

    dice_narrow: dict[str, float]
    width: int
    steps: int
    training_seed: int
    channels: int | None = None

    @property
    def other_dice(self) -> dict[str, float]:
        return self.dice_narrow

    @property
    def lost_points(self) -> float:
        """The loss of the vessel class that lost most."""
        return max(self.dice[name] - self.dice_narrow.get(name, 0.0) for name in self.dice if name != "device")


class ModelRecord(pydantic.BaseModel):
    """One network in `manifest.json`.

    `files` maps each file name to its sha-256; no other file is ever loaded for the network. `int8` is present if an
    8-bit graph ships too, `narrow` if a narrower network that answers alike does. `drawn` means the decoder as
    published. Connected pieces of a class smaller than `smallest_px` on the working grid are discarded.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    working_px: int
    channels: int
    drawn: bool = False
    width: int
    threshold: float
    smallest_px: int = 0
    seed: int
    steps: int
    initial: str
    loss: str
    data: str
    machine: str
    files: dict[str, str]
    int8: Int8Gate | None = None
    narrow: NarrowGate | None = None

    def channels_on(self, runtime: str) -> int:
        """Input channels of the graph that the runtime of this name executes: a narrow network may take fewer."""
        own = self.narrow.channels if self.narrow is not None and runtime.endswith("narrow") else None
        return self.channels if own is None else own


class Manifest(pydantic.BaseModel):
    """`assets/models/manifest.json`."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: str = pydantic.Field(alias="schema", pattern=f"^{SCHEMA}$")
    models: dict[str, ModelRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A network's verified files.

    Args:
        name: the network's name.
        folder: the folder of the files.
        record: its entry in the manifest.
    """

    name: str
    folder: Path
    record: ModelRecord

    @property
    def onnx(self) -> Path:
        return self.folder / f"{self.name}.onnx"

    @property
    def safetensors(self) -> Path:
        return self.folder / f"{self.name}.safetensors"

    @property
    def int8_onnx(self) -> Path:
        return self.folder / f"{self.name}.int8.onnx"

    @property
    def narrow_onnx(self) -> Path:
        return self.folder / f"{self.name}.narrow.onnx"

    @property
    def has_narrow(self) -> bool:
        """Whether the manifest lists a narrow network and states what it loses."""
        return self.narrow_onnx.name in self.record.files and self.record.narrow is not None

    @property
    def has_int8(self) -> bool:
        """Whether the manifest lists an 8-bit graph and states what it loses."""
        return self.int8_onnx.name in self.record.files and self.record.int8 is not None

    def read(self, path: Path) -> bytes:
        """The file's bytes, after its sha-256 was compared with the manifest's.

        Raises:
            InputError: the file is missing, unreadable, not in the manifest, or differs from the shipped one.
        """
        expected = self.record.files.get(path.name)
        if expected is None:
            raise InputError(f"{path}: not listed in {MANIFEST_NAME}; restore the model folder or train it again")
        return verified_bytes(path, expected, MANIFEST_NAME)


def read_manifest(folder: Path = BUNDLED_MODELS) -> Manifest:
    """The manifest of a model folder. Raises InputError if it is missing or cannot be understood."""
    path = folder / MANIFEST_NAME
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot read the list of models ({error.strerror}); restore the model folder"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{path}: not a list of models ({str(error).splitlines()[0]}); restore the model folder"
        ) from error


def verified_bytes(path: Path, expected: str, vouching: str) -> bytes:
    """The file's bytes, after their sha-256 was compared with the expected one.

    Args:
        vouching: name of the list that states the sha-256, for messages.

    Raises:
        InputError: the file is missing, unreadable, or differs from the listed one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the weights ({error.strerror}); restore the model folder") from error
    found = sha256(content)
    if found != expected:
        raise InputError(
            f"{path}: refused, its sha-256 is {found[:12]}..., {vouching} says {expected[:12]}...; "
            "the weights were changed or cut short: restore the model folder"
        )
    return content


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
