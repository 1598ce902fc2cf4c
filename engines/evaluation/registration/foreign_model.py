"""The model of a foreign patient, made from one of the things that people have: masks, CTA, centerlines or surface."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal, get_args

from calibration.errors import InputError
from engines.anatomy.cases.case import CaseKind
from engines.anatomy.cases.case_creation import create_case
from engines.anatomy.vessel_model import VesselModel

ModelSource = Literal["masks", "cta", "centerlines", "surface"]


def model_source(text: str) -> ModelSource:
    """Raises InputError where the text is none of `ModelSource`."""
    for source in get_args(ModelSource):
        if text == source:
            return source
    raise InputError(f"--model {text}: expected {', '.join(get_args(ModelSource))}; choose one")


def foreign_model(patient: Path, kind: CaseKind, source: ModelSource) -> VesselModel:
    """The vessels as `case create` makes them from this source alone.

    Centerlines are those of the masks, with radii, names and classes; a surface is the patient's `surface.stl`, else
    that of the masks together, without names.

    Raises:
        InputError: a file is missing or cannot be used.
    """
    with tempfile.TemporaryDirectory() as beside:
        here = Path(beside)
        if source == "cta":
            return create_case(here / "case", kind, cta=patient / "cta.nii.gz", case_id=patient.name).vessel_model()
        stl = patient / "surface.stl"
        if source == "surface" and stl.is_file():
            return create_case(here / "case", kind, surface=stl, case_id=patient.name).vessel_model()
        of_masks = create_case(here / "masks", kind, vessels=patient / "masks", case_id=patient.name)
        if source == "masks":
            return of_masks.vessel_model()
        if source == "centerlines":
            lines = of_masks.folder / "centerlines.vtp"
            return create_case(here / "case", kind, centerlines=lines, case_id=patient.name).vessel_model()
        shape = of_masks.folder / "surface.vtp"
        return create_case(here / "case", kind, surface=shape, case_id=patient.name).vessel_model()
