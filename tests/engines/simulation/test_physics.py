"""Exposure, contrast over time, and motion."""

import numpy as np
import pytest

from calibration.pose import RigidPose
from engines.anatomy.vessel_model import Branch, CenterlineTree
from engines.simulation.anatomies.anatomy import HeartFrame
from engines.simulation.imaging.xray import Detector, Shadow, Tone, expose, typical_signal
from engines.simulation.runs.bolus import Injection, plan_filling
from engines.simulation.runs.motion import Beat, Moment, best_rigid_motion, contraction, deform_heart

_DETECTOR = Detector(
    photons=4000.0, scatter_ratio=0.4, glare_px=24.0, blur_px=0.7, electronic=5.0, flatten=0.0, sharpen=0.0,
    contrast=90.0, level=120.0, vignette=0.0,
)  # fmt: skip
_FIELD = np.ones((64, 64), dtype=bool)


def _shadow(iodine: float = 0.0) -> Shadow:
    iodine_map = np.zeros((64, 64), np.float32)
    iodine_map[24:40, 24:40] = iodine
    return Shadow(
        water_mm=np.full((64, 64), 150.0, np.float32),
        bone_mm=np.full((64, 64), 6.0, np.float32),
        iodine_g_per_cm2=iodine_map,
    )


def _picture(iodine: float, detector: Detector = _DETECTOR) -> np.ndarray:
    rng = np.random.default_rng(1)
    typical = typical_signal(_shadow(), _FIELD)
    first = expose(rng, _shadow(), detector, typical=typical, field_of_view=_FIELD)
    tone = Tone.of_first_frame(first, detector, _FIELD)
    log_signal = expose(rng, _shadow(iodine), detector, typical=typical, field_of_view=_FIELD)
    return tone.grey(log_signal, np.ones((64, 64), np.float32)).astype(float)


def test_iodine_is_darker_the_more_there_is():
    grey = [_picture(iodine)[28:36, 28:36].mean() for iodine in (0.0, 0.02, 0.06, 0.15)]
    assert grey[0] > grey[1] + 3 > grey[2] + 6 > grey[3] + 9


def test_patient_without_contrast_is_shown_at_the_level():
    assert _picture(0.0).mean() == pytest.approx(_DETECTOR.level, abs=4.0)


def test_fewer_photons_are_noisier():
    low = Detector(**{name: getattr(_DETECTOR, name) for name in Detector.__slots__} | {"photons": 300.0})
    assert _picture(0.0, low).std() > 2.0 * _picture(0.0).std()


def test_nothing_shines_through_the_collimator():
    field = _FIELD.copy()
    field[:, :16] = False
    tone = Tone(background=np.zeros((64, 64), np.float32), detector=_DETECTOR, field_of_view=field)
    assert tone.grey(np.zeros((64, 64), np.float32), field.astype(np.float32))[:, :16].max() < 10


def _tree() -> CenterlineTree:
    trunk = Branch(points_mm=np.column_stack([np.zeros(50), np.zeros(50), np.arange(50.0)]), radius_mm=np.full(50, 1.0))
    twig = Branch(
        points_mm=trunk.points_mm[-1] + np.column_stack([np.arange(30.0), np.zeros(30), np.zeros(30)]),
        radius_mm=np.full(30, 0.5),
        parent=0,
    )
    return CenterlineTree(branches=(trunk, twig))


def _injection(*, backwards: bool) -> Injection:
    return Injection(
        arrival_s=1.0, speed_mm_per_s=50.0, duration_s=1.0, rise_s=0.2, fall_s=0.5, peak_g_per_cm3=0.2,
        backwards=backwards,
    )  # fmt: skip


def test_contrast_arrives_downstream_later_and_washes_out():
    filling = plan_filling(_tree(), ("g", "g"), {"g": _injection(backwards=False)}, frozenset())
    assert filling.concentration_g_per_cm3(1.0).max() == 0.0
    early = filling.concentration_g_per_cm3(1.5)
    assert early[0] == pytest.approx(0.2)
    assert early[-1] == 0.0
    assert filling.concentration_g_per_cm3(3.8)[-1] > 0.15
    assert filling.concentration_g_per_cm3(20.0).max() == 0.0


def test_veins_fill_towards_their_root():
    filling = plan_filling(_tree(), ("g", "g"), {"g": _injection(backwards=True)}, frozenset())
    assert filling.arrival_s[0] > filling.arrival_s[-1] == pytest.approx(1.0)


def test_branch_behind_a_clot_and_group_without_injection_stay_empty():
    clot = plan_filling(_tree(), ("g", "g"), {"g": _injection(backwards=False)}, frozenset({1}))
    assert clot.concentration_g_per_cm3(3.0)[50:].max() == 0.0
    other = plan_filling(_tree(), ("g", "h"), {"g": _injection(backwards=False)}, frozenset())
    assert other.concentration_g_per_cm3(3.0)[50:].max() == 0.0


_HEART = HeartFrame(base_mm=np.array([3.0, -4.0, 9.0]), axes=np.eye(3), length_mm=90.0)
_BEAT = Beat(frames_per_beat=12, shorten=0.1, squeeze=0.1, twist_rad=0.1, breath_mm=3.0, breath_period_s=4.0)


def _moment(amount: float) -> Moment:
    pose = RigidPose.identity(target="isocentre", source="lps")
    return Moment(isocentre_from_lps=pose, contraction=amount, breath_mm=np.array([0.2, -0.5, -2.0]))


def test_heart_rests_exactly_in_diastole_and_contracts_fully_once():
    amounts = [contraction(frame, 12) for frame in range(24)]
    assert amounts[:12] == amounts[12:]
    assert amounts[0] == 0.0 == amounts[11] == amounts[8]
    assert max(amounts) > 0.9


def test_end_diastole_is_the_ct_moved_by_breathing_alone():
    points = np.random.default_rng(0).normal(scale=30.0, size=(50, 3))
    np.testing.assert_array_equal(deform_heart(points, _HEART, _BEAT, _moment(0.0)), points + _moment(0.0).breath_mm)


def test_systole_moves_the_base_by_millimetres_and_leaves_the_apex():
    base, apex = _HEART.base_mm + 20.0 * np.eye(3)[0], _HEART.base_mm + 90.0 * np.eye(3)[2]
    moved = deform_heart(np.array([base, apex]), _HEART, _BEAT, _moment(1.0)) - _moment(1.0).breath_mm
    assert 5.0 < np.linalg.norm(moved[0] - base) < 15.0
    assert np.linalg.norm(moved[1] - apex) < 1.0


def test_best_rigid_motion_is_exact_for_a_rigid_motion():
    points = np.random.default_rng(0).normal(scale=30.0, size=(40, 3))
    truth = RigidPose.from_rotation_vector(
        np.array([0.1, -0.05, 0.2]), np.array([1.0, 2, 3]), target="lps", source="lps"
    )
    found = best_rigid_motion(truth.apply(points), points)
    np.testing.assert_allclose(found.matrix, truth.matrix, atol=1e-9)
