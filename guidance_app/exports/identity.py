"""Exports do not name the patient unless asked to. Objects of one export still refer to each other."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid

RESEARCH_LINE = "Research use only, not a medical device"
_UTF_8 = "ISO_IR 192"
_PATIENT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportIdentity:
    """What an export says of the patient, and under which UIDs.

    Args:
        identified: keep UIDs, file names and, where the source states them, patient and study.
        header: of the source object, None for a recording, which holds no patient.
    """

    identified: bool
    header: Dataset | None = None
    _salt: str = field(default_factory=lambda: secrets.token_hex(16))

    def uid(self, original: str) -> UID:
        """The UID to write for one of the source: another one in each export, the same within it.

        Nobody can compute it from the original: the salt is drawn anew and written nowhere.
        """
        if self.identified and original:
            return UID(original)
        return generate_uid(entropy_srcs=[self._salt, original])

    def new_uid(self, name: str) -> UID:
        """For an object that this export makes."""
        return generate_uid(entropy_srcs=[self._salt, "made", name])

    @property
    def pseudonym(self) -> str:
        """A name without meaning, which keeps the exports of two patients apart in an archive."""
        return "RESEARCH-" + self.new_uid("pseudonym")[-8:]

    def describe(self, dataset: Dataset) -> None:
        """Patient and Study modules (PS3.3 C.7.1.1 and C.7.2.1)."""
        for keyword in _PATIENT:
            setattr(dataset, keyword, "")
        dataset.StudyInstanceUID = self.uid(str(self._of_source("StudyInstanceUID")))
        if self.identified:
            # The source's own character sets are left behind: its bytes would be read by ours.
            dataset.SpecificCharacterSet = _UTF_8
            for keyword in _PATIENT:
                if value := self._of_source(keyword):
                    setattr(dataset, keyword, str(value))
            return
        dataset.PatientID = self.pseudonym
        dataset.PatientName = self.pseudonym.replace("-", "^")
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "Made anew; nothing of the source's header was carried over"

    def text(self, words: str) -> str:
        """Names of files and cases may hold anything."""
        return words if self.identified else ""

    def _of_source(self, keyword: str) -> object:
        return "" if self.header is None else (self.header.get(keyword, "") or "")
