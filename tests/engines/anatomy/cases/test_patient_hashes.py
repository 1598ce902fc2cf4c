"""A case knows whose runs are its own without keeping who that is."""

from __future__ import annotations

import json

import pytest

from engines.anatomy.cases.patient_hashes import PatientHashes
from engines.angiography.patient_mark import mark_of


def test_two_cases_of_one_patient_share_no_hash_and_no_text() -> None:
    mark = mark_of("PAT-4711", "19560203")
    first, second = PatientHashes.of(mark), PatientHashes.of(mark)
    assert first is not None
    assert second is not None
    assert first.patient_id != second.patient_id
    stored = json.dumps(first.model_dump())
    assert "4711" not in stored
    assert mark is not None
    assert mark.id_digest not in stored


@pytest.mark.parametrize(
    ("patient_id", "birth_date", "expected"),
    [
        ("PAT-4711", "19560203", "same"),
        (" pat-4711 ", "", "same"),
        ("", "19560203", "same"),
        ("PAT-4712", "19560203", "other"),
        ("PAT-4711", "19560204", "other"),
        ("", "", "silent"),
    ],
)
def test_a_run_is_the_patients_own_another_ones_or_silent(patient_id: str, birth_date: str, expected: str) -> None:
    hashes = PatientHashes.of(mark_of("PAT-4711", "1956.02.03"))
    assert hashes is not None
    assert hashes.match(mark_of(patient_id, birth_date)) == expected


def test_nothing_known_keeps_nothing() -> None:
    assert mark_of("", "") is None
    assert PatientHashes.of(None) is None
