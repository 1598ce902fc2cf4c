"""A result opens again as it was, the posterior says how sure it is, and a person's help ranks everything again."""

from dataclasses import fields
from functools import cache

import numpy as np
import pytest

from calibration.errors import InputError
from engines.ivus.files.session_file import NAME, Inputs, read_session, write_session
from engines.ivus.fusion import Candidate
from engines.ivus.registration import Matter, frame_landmarks, judged, oriented_course
from engines.ivus.rescue import choice, landmark_pair, ranked_again, slide
from engines.ivus.search.evidence import frame_evidence, load_evidence_weights
from engines.ivus.search.path_search import search
from tests.engines.ivus.small_case import pullback_of, rich_case


@cache
def matter() -> Matter:
    case = rich_case()
    source = pullback_of(case)
    course, course_maps, ostium = oriented_course(case.ct, case.centerline_mm)
    frame_maps, index, doubtful = frame_landmarks(source)
    evidence = frame_evidence(frame_maps, course_maps, load_evidence_weights())
    return Matter(ct=case.ct, source=source, course=course, course_maps=course_maps, frame_maps=frame_maps, index=index,
                  evidence=evidence, ostium=ostium, doubtful=doubtful)  # fmt: skip


@cache
def answer():
    return judged(matter(), search(matter().evidence, matter().nominal_mm, matter().course_maps.place_mm))


def test_a_session_is_read_as_it_was_written(tmp_path):
    inputs = Inputs(cta="/a/ct.nii.gz", centerline="/a/line.vtp", pullback="/a/pullback")
    write_session(tmp_path / NAME, answer(), inputs)
    session = read_session(tmp_path)
    assert session.inputs == inputs
    for field in fields(answer()):
        before, after = getattr(answer(), field.name), getattr(session.fusion, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_allclose(after, before)
        elif field.name not in ("frame_maps", "course_maps", "course", "certainty"):
            assert after == before, field.name
    np.testing.assert_allclose(session.fusion.course_maps.branch, answer().course_maps.branch, atol=1e-6)


def test_a_damaged_session_is_one_line(tmp_path):
    (tmp_path / NAME).write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="run `ivus register` again"):
        read_session(tmp_path)


def test_the_posterior_sums_to_one_and_is_narrow_where_the_answer_is_sure():
    known = answer().certainty
    assert known is not None
    np.testing.assert_allclose(known.place.sum(axis=1), known.turn.sum(axis=1), rtol=1e-4)
    assert np.abs(known.turn.sum(axis=1) - 1.0).max() < 0.02
    assert np.median(known.place_sigma_mm) < 2.0
    assert np.median(known.turn_sigma_deg) < 25.0


def test_what_a_person_says_is_obeyed_and_told():
    frame = int(matter().index[len(matter().index) // 2])
    moved = ranked_again(matter(), [slide(answer(), frame, 5.0)])
    assert moved.place_mm[frame] - answer().place_mm[frame] > 3.0
    assert moved.flags[0] == "WITH_MANUAL_HELP"
    assert "moved by +5.0 mm" in moved.acts[0]


def test_a_true_landmark_pair_leaves_a_right_answer_where_it_is():
    frame, hand = int(matter().index[40]), answer().handedness * (-1 if answer().distal_to_proximal else 1)
    course_rad = answer().angle_rad[frame] + hand * 0.8
    again = ranked_again(matter(), [landmark_pair(frame, 0.8, float(answer().place_mm[frame]), float(course_rad))])
    assert np.median(np.abs(again.place_mm - answer().place_mm)) < 0.4
    assert again.handedness == answer().handedness


def test_another_direction_may_be_chosen():
    own = answer().candidates[0]
    middle = len(matter().index) // 2
    other = Candidate(
        probability=0.01, offset_mm=0.0, rotation_deg=0.0, distal_to_proximal=not own.distal_to_proximal,
        handedness=own.handedness, anchor=middle, anchor_mm=float(answer().place_mm[matter().index[middle]]),
        anchor_rad=1.0,
    )  # fmt: skip
    chosen = ranked_again(matter(), [choice(other, 2, answer())])
    assert chosen.distal_to_proximal != answer().distal_to_proximal
    assert chosen.acts == ("candidate 2 chosen",)
