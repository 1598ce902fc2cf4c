"""What a model file says of its own frame and unit, obeyed or refused by name.

3D Slicer writes "SPACE=LPS" or "SPACE=RAS" into titles, comments and field data of meshes, and "CoordinateSystem = LPS"
(in older files 0 for RAS, 1 for LPS) into its tables; inside the program the world is LPS in millimetres.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.poly_data import PolyData

# "Color space: sRGB" is about something else.
_SPACE = re.compile(
    r"(?<!colour )(?<!color )\b(?:space\s*=|coordinate[ _]?system\s*[=:])\s*\"?([A-Za-z0-9-]+)", re.IGNORECASE
)
_OWN = re.compile(r"^\s*(LPS|RAS) millimetres\b")  # the header of this program's STL files
_UNIT = re.compile(r"\b(?:coordinate[ _]?)?units?\s*[=:]\s*\"?([A-Za-zµμ]+)", re.IGNORECASE)
_NAMES = {"lps": "LPS", "ras": "RAS", "left-posterior-superior": "LPS", "right-anterior-superior": "RAS", "0": "RAS",
          "1": "LPS"}  # fmt: skip
_NO_UNIT = ("none", "unknown", "unspecified")
UNITS_MM = {"mm": 1.0, "millimetre": 1.0, "millimeter": 1.0, "millimetres": 1.0, "millimeters": 1.0, "cm": 10.0,
            "centimetre": 10.0, "centimeter": 10.0, "centimetres": 10.0, "centimeters": 10.0, "m": 1000.0,
            "metre": 1000.0, "meter": 1000.0, "metres": 1000.0, "meters": 1000.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3,
            "micron": 1e-3, "microns": 1e-3}  # fmt: skip
RADIUS_ARRAYS = ("radius", "maximuminscribedsphereradius", "radii", "radius_mm", "misr")  # lower case
DIAMETER_ARRAYS = ("diameter", "diameter_mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """ "" where the file says nothing: then it is taken as LPS, in mm."""

    system: str = ""
    unit: str = ""


def declared_by(remarks: Iterable[str], where: str) -> Declared:
    """The coordinate system and unit that titles, comments and field data state.

    Raises:
        InputError: another system than LPS and RAS, an unknown unit, or two that contradict each other.
    """
    systems: list[str] = []
    units: list[str] = []
    for remark in remarks:
        systems += [found[1] for found in _SPACE.finditer(remark)] + [found[1] for found in _OWN.finditer(remark)]
        units += [found[1] for found in _UNIT.finditer(remark)]
    unknown = [system for system in systems if system.lower() not in _NAMES]
    if unknown:
        raise InputError(
            f"{where}: says that its coordinate system is {unknown[0]}, expected LPS or RAS; export it in LPS mm"
        )
    named = sorted({_NAMES[system.lower()] for system in systems})
    if len(named) > 1:
        raise InputError(f"{where}: says of itself that it is in {' and in '.join(named)}; export it again in LPS mm")
    units = [unit for unit in units if unit.lower() not in _NO_UNIT]
    strange = [unit for unit in units if unit.lower() not in UNITS_MM]
    if strange:
        raise InputError(f"{where}: says that its unit is {strange[0]}, expected mm; export it in millimetres")
    scales = sorted({UNITS_MM[unit.lower()] for unit in units})
    if len(scales) > 1:
        raise InputError(f"{where}: states two units, {' and '.join(sorted(set(units)))}; export it again in mm")
    return Declared(system=named[0] if named else "", unit=units[0].lower() if units else "")


def in_lps_mm(data: PolyData, declared: Declared) -> PolyData:
    """Points and radii turned and scaled from what the file declares."""
    turn = np.array([-1.0, -1.0, 1.0]) if declared.system == "RAS" else np.ones(3)
    scale = UNITS_MM.get(declared.unit, 1.0)
    if scale == 1.0 and declared.system != "RAS":
        return data
    lengths = {*RADIUS_ARRAYS, *DIAMETER_ARRAYS}
    return replace(
        data,
        points=data.points * turn * scale,
        point_arrays={
            name: values * scale if name.lower() in lengths else values for name, values in data.point_arrays.items()
        },
    )
