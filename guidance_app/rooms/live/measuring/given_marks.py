"""The marks that a case brings with it: its landmarks as points, its planes as rings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.landmark_file import read_landmarks, read_planes
from guidance_app.rooms.live.measuring.measured import ModelMark

if TYPE_CHECKING:
    from engines.anatomy.cases.case import Case


def given_marks(case: Case) -> tuple[tuple[ModelMark, ...], str]:
    """The marks, and one line why some could not be read; "" where all could."""
    marks: list[ModelMark] = []
    problems = []
    if (file := case.files.get("landmarks")) is not None:
        try:
            marks += [
                ModelMark(
                    name=point.name, point_lps_mm=point.point_lps_mm, direction=np.array([0.0, 0.0, 1.0]),
                    radius_mm=0.0, given=True,
                )
                for point in read_landmarks(file.path)
            ]  # fmt: skip
        except InputError as error:
            problems.append(str(error))
    if (file := case.files.get("planes")) is not None:
        try:
            marks += [
                ModelMark(
                    name=plane.name, point_lps_mm=plane.centre_lps_mm, direction=plane.normal,
                    radius_mm=plane.radius_mm, given=True,
                )
                for plane in read_planes(file.path)
            ]  # fmt: skip
        except InputError as error:
            problems.append(str(error))
    return tuple(marks), "; ".join(problems)
