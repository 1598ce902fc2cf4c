"""Names of structures as a person gives them (`--names 1=artery,2=vein`), and what is done where names are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration.errors import InputError
from engines.anatomy.files.labels import UNNAMED, load_labels
from engines.anatomy.structure_names import (
    CLASSES,
    NO_VESSEL,
    guessed_name,
    names_any_vessel,
    said_to_be,
    structure_class_of,
)
from engines.anatomy.structures.guessed_classes import guessed_classes
from engines.anatomy.structures.names_file import names_beside, read_names
from engines.anatomy.vessel_model import CtVolume, LabelVolume

_CHOICES = ", ".join((*CLASSES, NO_VESSEL))
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedLabels:
    """A label volume of which every structure has a class; `notes` are lines for the person."""

    labels: LabelVolume
    notes: tuple[str, ...] = ()


def load_named_labels(path: Path | str, kind: str, names: str | None = None, ct: CtVolume | None = None) -> NamedLabels:
    """Read a label volume, name its structures, and leave out what is no vessel.

    Args:
        path: label volume (NIfTI, NRRD, DICOM SEG) or folder of masks.
        kind: evt, tavi or coronary; nothing is asked for coronary models, whose vessels are arteries.
        names: the option's text, or the path of a file that names labels; it goes before names found beside the volume.
        ct: helps to guess where nothing is named.

    Raises:
        InputError: unusable labels or names, a name given twice, a name that tells no class.
    """
    path = Path(path)
    notes = []
    given: Mapping[str, str] = {}
    if names is not None and Path(names).is_file():
        labels = load_labels(path, read_names(names).names)
    else:
        given = parse_names(names) if names is not None else {}
        beside = names_beside(path) if path.is_file() else None
        labels = load_labels(path, beside.names if beside is not None and beside.names else None)
        if beside is not None and beside.path is not None:
            notes.append(f"{path.name}: its labels are named by {beside.path.name}")
    labels = with_names(labels, given, str(path))
    return _complete(labels, kind, ct, path, notes)


def parse_names(text: str) -> dict[str, str]:
    """`1=artery,2=vein` or `blob=vein,M1=left M1:artery`: label or name to name, class or both.

    Raises:
        InputError: not of this form, a label twice, a class that does not exist.
    """
    found: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",")):
        key, mark, value = (piece.strip() for piece in part.partition("="))
        if not mark or not key or not value:
            raise InputError(
                f"--names: {part!r} is no LABEL=NAME, and no file of this name is there; write 1=artery,2=vein"
            )
        if key in found:
            raise InputError(f"--names: {key} is named twice, {found[key]!r} and {value!r}; keep one of them")
        found[key] = value
    return found


def with_names(labels: LabelVolume, given: Mapping[str, str], where: str) -> LabelVolume:
    """Rename labels by number or by their present name.

    Raises:
        InputError: a label that is not there, a class that does not exist, one name for two labels.
    """
    names = dict(labels.names)
    by_name = {name: number for number, name in labels.names.items()}
    chosen: dict[int, str] = {}
    for key, value in given.items():
        number = by_name.get(key, int(key) if key.isdigit() else -1)
        if number not in names:
            listed = ", ".join(f"{n} {name}" for n, name in list(names.items())[:_SHOWN])
            raise InputError(f"--names: {where} has no label {key!r}; it has {listed}")
        if number in chosen:
            raise InputError(f"--names: label {number} is named twice, {chosen[number]!r} and {value!r}; keep one")
        chosen[number] = value
        names[number] = _value_name(value, names[number])
    twice = [name for name in names.values() if list(names.values()).count(name) > 1]
    if twice:
        numbers = [number for number, name in names.items() if name == twice[0]]
        example = ",".join(f"{n}={twice[0]} {letter}" for n, letter in zip(numbers, "ABCDEFGH", strict=False))
        raise InputError(
            f"{where}: the name {twice[0]!r} is given twice, to labels {' and '.join(map(str, numbers))}; give each a "
            f"name of its own, such as --names '{example}'"
        )
    return replace(labels, names=names)


def _value_name(value: str, present: str) -> str:
    """What `NAME`, `CLASS` or `NAME:CLASS` makes of a structure that is called `present`."""
    name, mark, said = (piece.strip() for piece in value.rpartition(":"))
    if mark:
        if said.lower() not in (*CLASSES, NO_VESSEL):
            raise InputError(f"--names: {said!r} is no class; expected one of {_CHOICES}")
        return said_to_be(name or present, said.lower())
    if value.lower() in (*CLASSES, NO_VESSEL):
        unnamed = not present or present.startswith(UNNAMED)
        if value.lower() == NO_VESSEL or not unnamed:
            return said_to_be(present, value.lower())
        return value.lower() if not value.lower().endswith("lumen") else f"aorta {value.lower()}"
    return value


def _complete(labels: LabelVolume, kind: str, ct: CtVolume | None, path: Path, notes: list[str]) -> NamedLabels:
    unnamed = [number for number, name in labels.names.items() if name == f"{UNNAMED}{number}"]
    if unnamed and len(unnamed) == len(labels.names):
        guess = guessed_classes(labels, kind, ct)
        labels = replace(labels, names={number: guessed_name(found, number) for number, found in guess.items()})
        listed = ",".join(f"{number}={found}" for number, found in list(guess.items())[:_SHOWN])
        more = f" and {len(guess) - _SHOWN} more" if len(guess) > _SHOWN else ""
        notes.append(
            f"{path}: its labels have no names; guessed from their shapes: {listed}{more}; "
            "where this is wrong, give --names 1=artery,2=vein"
        )
        return NamedLabels(labels=labels, notes=tuple(notes))
    labels, said = _any_vessel_taken(labels, kind)
    notes += said
    unknown = [name for name in labels.names.values() if not structure_class_of(name)]
    if unknown and kind == "coronary":
        notes.append(
            f"{path}: {', '.join(unknown[:_SHOWN])}: taken as arteries; else give --names NAME=CLASS ({_CHOICES})"
        )
    elif unknown:
        listed = ", ".join(unknown[:_SHOWN]) + (f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else "")
        option = ",".join(f"{name}=artery" for name in unknown[:3]) + (",..." if len(unknown) > 3 else "")
        raise InputError(
            f"{path}: {listed}: these names tell no class; say what each is, such as --names '{option}' ({_CHOICES})"
        )
    left_out = {n: name for n, name in labels.names.items() if structure_class_of(name) == NO_VESSEL}
    if left_out:
        labels = _without(labels, set(left_out), path)
        listed = ", ".join(list(left_out.values())[:_SHOWN])
        more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        notes.append(f"{path}: left out, no vessels by their names: {listed}{more}")
    return NamedLabels(labels=labels, notes=tuple(notes))


def _any_vessel_taken(labels: LabelVolume, kind: str) -> tuple[LabelVolume, list[str]]:
    """A structure that is called only "vessels" is what the case is about."""
    anything = {n: name for n, name in labels.names.items() if not structure_class_of(name) and names_any_vessel(name)}
    if not anything:
        return labels, []
    taken = "aorta" if kind == "tavi" else "artery"
    names = {n: said_to_be(name, taken) if n in anything else name for n, name in labels.names.items()}
    said = (
        f"{', '.join(anything.values())}: taken as {taken}; where this is wrong, give --names NAME=CLASS ({_CHOICES})"
    )
    return replace(labels, names=names), [said]


def _without(labels: LabelVolume, numbers: set[int], path: Path) -> LabelVolume:
    kept = {number: name for number, name in labels.names.items() if number not in numbers}
    if not kept:
        raise InputError(
            f"{path}: none of its structures is a vessel by its name "
            f"({', '.join(list(labels.names.values())[:_SHOWN])}); choose another segmentation, or say "
            "what each is with --names NAME=CLASS"
        )
    return replace(labels, labels=np.where(np.isin(labels.labels, list(numbers)), 0, labels.labels), names=kept)
