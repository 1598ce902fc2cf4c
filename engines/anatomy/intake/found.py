"""What was found in folders and files, as one process hands it to another."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ModelRole = Literal["vessels", "surface", "centerlines", "placement"]
SURVEY_FILE = "survey.json"


class _Found(BaseModel):
    """One thing that can be chosen.

    Attributes:
        path: what the reader of its kind takes.
        words: for a person: what the header calls it, or the file's name.
        picture: name of a PNG in the survey's folder; "" where there is none.
        why_not: in one line why it cannot be used; "" where it can.
        doubt: in one line what speaks against it though it can be used.
        patient: "A" for the first patient met, "B" for another; "" where the file does not say.
    """

    model_config = ConfigDict(frozen=True)
    path: Path
    words: str
    picture: str = ""
    why_not: str = ""
    doubt: str = ""
    patient: str = ""


class FoundScan(_Found):
    """A stack of slices: one phase of a CT series, a NIfTI volume, or a series that is no CT.

    Attributes:
        within: folder that holds the series, where its slices lie in several.
        phase: its number for the reader, where the series or volume holds several.
        phase_words: when it was taken; "" where there is one phase only.
        percent: of the cardiac cycle.
        contrast: whether blood with contrast was seen in it.
        region: words of the header that may tell the part of the body.
    """

    modality: str = "CT"
    within: Path | None = None
    phase: int | None = None
    phase_words: str = ""
    percent: float | None = None
    slices: int = 0
    size_px: tuple[int, int] = (0, 0)
    spacing_mm: tuple[float, float, float] | None = None
    contrast: bool = False
    region: str = ""


class FoundModel(_Found):
    """Vessels that somebody has segmented already.

    Attributes:
        structures: names, as far as they can be read without the voxels.
        unclear: those of them whose names tell no class.
    """

    role: ModelRole
    structures: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


class FoundRun(_Found):
    """An X-ray run.

    Attributes:
        subtracted: the pictures are stored subtracted.
        lao_deg, cranial_deg: of its first frame; None where the geometry is not stated.
        curve: (frame, contrast) over time; empty where it could not be measured.
        fullest: the frame that the picture shows.
        rises: contrast arrives during the run.
        region: words of the header that may tell the part of the body.
    """

    frames: int = 0
    size_px: tuple[int, int] = (0, 0)
    per_second: float | None = None
    subtracted: bool = False
    lao_deg: float | None = None
    cranial_deg: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    fullest: int = 0
    rises: bool = False
    region: str = ""


class PassedOver(BaseModel):
    """Files that are nothing to make a case of."""

    model_config = ConfigDict(frozen=True)
    words: str
    files: int
    example: str = ""


class Survey(BaseModel):
    """All that was found; `complete` is False where the number of files reached the limit."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    schema_name: Literal["guidance-app/survey/1"] = Field(default="guidance-app/survey/1", alias="schema")
    scans: tuple[FoundScan, ...] = ()
    models: tuple[FoundModel, ...] = ()
    runs: tuple[FoundRun, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    files: int = 0
    complete: bool = True
