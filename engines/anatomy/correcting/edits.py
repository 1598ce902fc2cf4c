"""What a person may do to a vessel model, as values that are kept in the case; points are LPS mm."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from engines.anatomy.structure_names import NO_VESSEL

Point = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class _Edit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AddVessel(_Edit):
    """Add the contrast-filled vessel at `seed_mm`, from there to the model and on to its tip.

    `said` is its class; "" takes that of the vessel that it springs from.
    """

    kind: Literal["add"] = "add"
    seed_mm: Point
    said: str = ""


class Brush(_Edit):
    """Erase what lies in balls about these centres."""

    kind: Literal["brush"] = "brush"
    centres_mm: tuple[Point, ...] = Field(min_length=1, max_length=20_000)
    radius_mm: float = Field(gt=0.0, le=30.0)


class ErasePart(_Edit):
    """Erase the connected part of a structure; of a model without labels the branch, with all that springs from it."""

    kind: Literal["erase part"] = "erase part"
    at_mm: Point


class Cut(_Edit):
    """Part what hangs together: what belongs to `lose_mm` by the wider way falls off, or is of another class."""

    kind: Literal["cut"] = "cut"
    keep_mm: Point
    lose_mm: Point
    becomes: str = NO_VESSEL


class CutAt(_Edit):
    """Part what hangs together at a thin place; all but the largest piece falls off, or is of another class."""

    kind: Literal["cut at"] = "cut at"
    at_mm: Point
    becomes: str = NO_VESSEL


class SayPart(_Edit):
    """The connected part of a structure is of this class."""

    kind: Literal["say part"] = "say part"
    at_mm: Point
    said: str


class SayStructure(_Edit):
    """A whole structure is of this class, or is left out."""

    kind: Literal["say structure"] = "say structure"
    structure: str
    said: str


class NameBranch(_Edit):
    """The branch at a point has this name; `onward` as far as its main line goes."""

    kind: Literal["name"] = "name"
    at_mm: Point
    name: str = Field(min_length=1, max_length=64)
    onward: bool = True


Edit = Annotated[
    AddVessel | Brush | ErasePart | Cut | CutAt | SayPart | SayStructure | NameBranch, Field(discriminator="kind")
]
EDITS_OF_VOXELS = (AddVessel, Brush, Cut, CutAt)  # these need a label volume
