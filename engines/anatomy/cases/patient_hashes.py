"""Whose case it is, so that a run of another patient is noticed: salted hashes, and never the identity itself."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.angiography.patient_mark import PatientMark

# `silent`: the run does not say whose it is. `untold`: the case keeps no hashes (made from NIfTI, or simulated).
PatientMatch = Literal["same", "other", "silent", "untold"]

_ROUNDS = 20_000  # of PBKDF2, some 10 ms: trying all numbers of a hospital takes hours instead of a second
_HASH = r"^([0-9a-f]{64})?$"


class PatientHashes(BaseModel):
    """`patient` of `case.json`; "" where the CTA stated nothing."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    salt: str = Field(pattern=r"^[0-9a-f]{32,}$")
    patient_id: str = Field(default="", pattern=_HASH)
    birth_date: str = Field(default="", pattern=_HASH)

    @classmethod
    def of(cls, mark: PatientMark | None) -> PatientHashes | None:
        """With a salt of its own; None where nothing is known of the patient."""
        if mark is None:
            return None
        salt = secrets.token_hex(16)
        return cls(
            salt=salt, patient_id=_salted(mark.id_digest, salt), birth_date=_salted(mark.birth_digest, salt)
        )  # fmt: skip

    def match(self, mark: PatientMark | None) -> PatientMatch:
        """What a run that carries this mark is; whatever both state must agree."""
        if mark is None:
            return "silent"
        pairs = [
            (mine, _salted(theirs, self.salt))
            for mine, theirs in ((self.patient_id, mark.id_digest), (self.birth_date, mark.birth_digest))
            if mine and theirs
        ]
        if not pairs:
            return "silent"
        return "same" if all(mine == theirs for mine, theirs in pairs) else "other"


def _salted(digest: str, salt: str) -> str:
    if not digest:
        return ""
    return hashlib.pbkdf2_hmac("sha256", digest.encode(), bytes.fromhex(salt), _ROUNDS).hex()
