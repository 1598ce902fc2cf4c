import numpy as np
import pytest

from calibration.errors import InputError
from engines.simulation.cmr.case import simulate_cmr_case
from engines.simulation.cmr.coronary_tree import draw_tree
from engines.simulation.cmr.first_pass import inject
from engines.simulation.cmr.heart_shape import draw_shape
from engines.simulation.cmr.patient import draw_patient, split_of


def test_a_seed_gives_the_same_patient_again() -> None:
    first, second = draw_patient(5), draw_patient(5)
    np.testing.assert_array_equal(first.lps_from_heart, second.lps_from_heart)
    np.testing.assert_array_equal(first.territory, second.territory)
    assert not np.array_equal(first.lps_from_heart, draw_patient(6).lps_from_heart)


def test_seeds_tell_the_split() -> None:
    assert [split_of(seed) for seed in (0, 999, 1000, 1999, 2000)] == ["train", "train", "test", "test", "shift"]


def test_depth_runs_from_endocardium_to_epicardium() -> None:
    shape = draw_shape(np.random.default_rng(0))
    for depth in (0.1, 0.5, 0.9):
        points = shape.surface(np.full(20, 0.5 * shape.length_mm), np.linspace(-3, 3, 20), depth=depth)
        np.testing.assert_allclose(shape.depth(points), depth, atol=1e-3)


def test_arteries_lie_on_the_heart_and_side_branches_begin_on_their_parents() -> None:
    random = np.random.default_rng(3)
    shape = draw_shape(random)
    arteries, _ = draw_tree(shape, random)
    by_name = {artery.name: artery for artery in arteries}
    assert {"LM", "LAD", "LCx", "RCA", "PDA"} <= set(by_name)
    for artery in arteries:
        if artery.parent:
            far = np.linalg.norm(by_name[artery.parent].points - artery.points[0], axis=1)
            assert far.min() < 3.0, artery.name


def test_more_flow_rises_more_steeply() -> None:
    bolus = inject(np.random.default_rng(1), stress=True, saturation_s=0.1, shifted=False)
    upslope = bolus.relative_upslope(0.7)
    assert (np.diff(upslope) > 0).all()
    assert bolus.right.argmax() < bolus.left.argmax()


def test_a_full_folder_and_a_negative_seed_are_refused(tmp_path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        simulate_cmr_case(1, tmp_path)
    with pytest.raises(InputError, match="seed -1"):
        simulate_cmr_case(-1, tmp_path / "new")
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]
