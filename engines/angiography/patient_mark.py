"""Whose picture it is, without saying who: digests of patient ID and birth date.

A digest of an ID can be found by trying all IDs, so marks stay in memory. What a case keeps on disk is salted
(`engines.anatomy.cases.patient_hashes`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientMark:
    """SHA-256 of the normalised ID and of the birth date as hexadecimal digits; "" where the header has none."""

    id_digest: str = ""
    birth_digest: str = ""


def mark_of(patient_id: str, birth_date: str = "") -> PatientMark | None:
    """None where neither is stated. Systems change case, spaces and leading zeros: these make no other patient."""
    digest = _digest(" ".join(patient_id.split()).upper().lstrip("0"))
    birth = _digest("".join(digit for digit in birth_date if digit.isdigit()))
    return PatientMark(id_digest=digest, birth_digest=birth) if digest or birth else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
