"""Calibrated views of simulated phantoms with exact truth."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from calibration.errors import InputError
from calibration.phantoms.beads import attenuation, find_beads
from calibration.phantoms.carm_calibration import CalibratedView, PhantomPicture, angles_of, calibrate_view
from calibration.phantoms.carm_summary import KnownScale, angle_offsets, find_isocentre, view_content, warnings_of
from calibration.phantoms.phantom import Phantom, default_phantom
from calibration.phantoms.resection import direct_linear, fit_pinhole
from calibration.phantoms.simulated_phantom import SimulatedView, random_view

_SIDE_PX = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    view: SimulatedView
    picture: PhantomPicture
    found: CalibratedView


@pytest.fixture(scope="module")
def cases() -> list[_Case]:
    return [_case(seed) for seed in range(3)]


def _case(seed: int) -> _Case:
    view = random_view(np.random.default_rng(seed), side_px=_SIDE_PX)
    picture = _picture(view)
    return _Case(view=view, picture=picture, found=calibrate_view(picture, view.phantom))


def _picture(view: SimulatedView, **changes) -> PhantomPicture:
    return replace(
        PhantomPicture(
            line_integral=attenuation(view.pixels, view.bits_stored), source="phantom.dcm", header=view.geometry
        ),
        **changes,
    )


def test_beads_are_found_to_a_tenth_of_a_pixel(cases):
    case = cases[2]
    true_px, _ = case.view.projection.project(case.view.phantom.positions_mm())
    found = find_beads(case.picture.line_integral)
    found_px = np.array([[bead.column_px, bead.row_px] for bead in found])
    nearest = np.linalg.norm(true_px[:, None] - found_px[None], axis=2).min(axis=1)
    assert (nearest < 1.0).sum() >= 0.8 * len(true_px)
    assert np.median(nearest) < 0.1


def test_the_focal_spot_is_recovered(cases):
    for case in cases:
        truth = case.view.projection.camera_from_lps.inverse().translation_mm
        assert np.linalg.norm(case.found.pinhole.source_mm() - truth) < 4.0  # mostly along the 700 mm beam


def test_the_angles_of_the_beam_are_recovered(cases):
    for case in cases:
        camera = case.view.projection
        middle = camera.back_project(np.full((1, 2), (_SIDE_PX - 1) / 2), np.array([1000.0]))[0]
        source = camera.camera_from_lps.inverse().translation_mm
        truth = angles_of((middle - source) / np.linalg.norm(middle - source))
        found = case.found.beam_angles()
        assert abs(found.primary_deg - truth.primary_deg) < 0.05
        assert abs(found.secondary_deg - truth.secondary_deg) < 0.05


def test_the_detector_is_recovered(cases):
    for case in cases:
        geometry = case.view.geometry
        sid_mm = case.found.pinhole.focal_px * geometry.row_spacing_mm
        assert sid_mm == pytest.approx(geometry.sid_mm, abs=6.0)
        off_px = np.array(case.found.pinhole.principal_point_px) - case.view.projection.intrinsics_px[:2, 2]
        assert np.linalg.norm(off_px) * geometry.row_spacing_mm < 6.0


def test_the_stated_uncertainty_covers_the_error(cases):
    for case in cases:
        truth = case.view.projection.camera_from_lps.inverse().translation_mm
        sigma = case.found.fit.sigma_of(lambda pinhole: pinhole.source_mm())
        assert (np.abs(case.found.pinhole.source_mm() - truth) < 4 * sigma).all()


def test_exact_points_give_the_exact_view():
    view = random_view(np.random.default_rng(5), side_px=64)
    points = view.phantom.positions_mm()
    pixels, _ = view.projection.project(points)
    start = direct_linear(points, pixels)
    assert start is not None
    fit = fit_pinhole(start, points, pixels)
    np.testing.assert_allclose(
        fit.pinhole.camera_from_phantom.matrix, view.projection.camera_from_lps.matrix, atol=1e-5
    )
    np.testing.assert_allclose(fit.pinhole.intrinsics_px(), view.projection.intrinsics_px, atol=1e-4)


def test_a_mirrored_picture_is_refused_unless_it_is_stated_as_mirrored(cases):
    turned = replace(cases[2].picture, line_integral=cases[2].picture.line_integral[:, ::-1].copy())
    with pytest.raises(InputError, match="mirrored"):
        calibrate_view(turned, cases[2].view.phantom)
    header = replace(cases[2].view.geometry, mirrored=True)
    found = calibrate_view(replace(turned, header=header), cases[2].view.phantom)
    assert found.beam_angles().primary_deg == pytest.approx(cases[2].found.beam_angles().primary_deg, abs=0.05)


@pytest.mark.parametrize("seed", [19, 30])
def test_a_helix_is_not_mistaken_for_its_upside_down_copy(seed):
    """A helix turned upside down is the same helix: all beads fit, but the view would be 100 degrees off."""
    case = _case(seed)
    truth = case.view.projection.camera_from_lps.inverse().translation_mm
    assert np.linalg.norm(case.found.pinhole.source_mm() - truth) < 5.0


def test_a_picture_without_beads_is_refused():
    noise = np.random.default_rng(0).normal(1.0, 0.05, (256, 256))
    with pytest.raises(InputError, match=r"phantom\.dcm: \d+ beads were found"):
        calibrate_view(PhantomPicture(line_integral=noise, source="phantom.dcm"), default_phantom())


def test_another_phantom_is_refused(cases):
    rng = np.random.default_rng(1)
    other = Phantom(
        name="other",
        beads=tuple(
            bead.model_copy(update={"position_mm": tuple(rng.uniform(-50, 50, 3).round(3).tolist())})
            for bead in default_phantom().beads
        ),
    )
    with pytest.raises(InputError, match=r"not the beads of other|are off by"):
        calibrate_view(cases[2].picture, other)


def test_a_residual_above_the_limit_is_refused(cases):
    with pytest.raises(InputError, match=r"off by 0\.\d+ px"):
        calibrate_view(cases[2].picture, cases[2].view.phantom, max_residual_px=0.001)


def test_offsets_to_the_header_are_found(cases):
    contents = []
    for case in cases:
        true = case.found.beam_angles()
        header = replace(
            case.view.geometry,
            primary_rad=np.deg2rad(true.primary_deg - 1.5),
            secondary_rad=np.deg2rad(true.secondary_deg + 0.75),
        )
        scale = KnownScale(row_spacing_mm=header.row_spacing_mm)
        contents.append(view_content(case.found, case.view.phantom, header, scale, isocentre=None))
    offsets = angle_offsets(contents)
    assert offsets is not None
    assert (offsets.primary_deg, offsets.secondary_deg) == pytest.approx((1.5, -0.75), abs=1e-6)
    assert offsets.spread_deg < 1e-6
    assert contents[0].sid_mm == pytest.approx(cases[0].view.geometry.sid_mm, abs=6.0)


def test_a_turned_phantom_gives_no_offset_but_a_warning(cases):
    header = replace(cases[0].view.geometry, primary_rad=cases[0].view.geometry.primary_rad + np.pi / 2)
    content = view_content(cases[0].found, cases[0].view.phantom, header, KnownScale(), isocentre=None)
    assert content.offset_primary_deg is None
    assert content.sid_mm is None
    assert any("turned" in warning for warning in warnings_of([content], cases[0].view.phantom))


def test_the_isocentre_is_where_the_beams_meet(cases):
    isocentre = find_isocentre([case.found for case in cases])
    assert isocentre is not None
    # Each simulated phantom stands about 8 mm off the isocentre, each at another place.
    assert np.linalg.norm(isocentre.point_mm) < 40.0
    assert isocentre.rms_mm < 30.0
    assert find_isocentre([cases[0].found]) is None
    assert find_isocentre([cases[0].found, cases[0].found]) is None
