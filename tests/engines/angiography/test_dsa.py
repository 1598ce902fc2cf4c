import numpy as np
import pydicom
import pytest

from calibration.errors import InputError
from engines.angiography.contrast import contrast_curve, contrast_frame, frames_without_contrast, is_subtractable
from engines.angiography.dsa import MINIP_FRAME, minip, subtract
from engines.angiography.files.open_run import open_run
from engines.angiography.pixel_shift import estimate_shift_px, shifted
from engines.angiography.run import MaskOperation
from tests.engines.angiography.bolus_runs import FULLEST, SHAPE, background, bolus, bolus_file, vessel
from tests.engines.angiography.xa_samples import changed_file, view
from tests.real_data import real_data

_LOG_PER_GREY = 4.0 / 65535


def _logs(frame) -> np.ndarray:
    return (frame.pixels.astype(float) - 32767.5) * _LOG_PER_GREY


@pytest.fixture
def run(tmp_path):
    return open_run(bolus_file(tmp_path / "run.dcm", bolus(), mask_frames=(0, 1)))


def test_subtraction_leaves_the_contrast_in_log_units_and_nothing_else(run):
    frame = subtract(run, align=False).frame(FULLEST)
    darkening = -_logs(frame)
    inside, outside = vessel() > 0.95, vessel() < 1e-3
    # The floor of 2 % keeps the logarithm of dark pixels finite and reduces the contrast by that share.
    assert np.median(darkening[inside]) == pytest.approx(0.7, abs=0.05)
    assert abs(np.median(darkening[outside])) < 0.002
    assert np.percentile(np.abs(darkening[outside]), 95) < 0.04


def test_a_subtracted_frame_keeps_its_geometry_and_names_its_kind(run):
    frame = subtract(run).frame(FULLEST)
    assert (frame.kind, frame.bits_stored, frame.source_frame) == ("dsa", 16, FULLEST)
    assert frame.geometry == run.geometry(FULLEST)
    assert frame.sop_instance_uid == run.sop_instance_uid
    assert frame.window_center == 32768.0


def test_a_mask_frame_minus_itself_is_flat(tmp_path):
    run = open_run(bolus_file(tmp_path / "run.dcm", bolus(), mask_frames=(0,)))
    assert np.ptp(subtract(run).frame(0).pixels) == 0


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.6, -2.3), (-0.4, 0.7), (5.0, 3.0)])
def test_motion_between_mask_and_contrast_is_found_to_a_fraction_of_a_pixel(shift):
    still, moved = np.log(background()), np.log(background(shift) * np.exp(-0.7 * vessel()))
    found = estimate_shift_px(still.astype(np.float32), moved.astype(np.float32))
    np.testing.assert_allclose(found, shift, atol=0.35)  # a filled vessel crosses the picture
    bare = estimate_shift_px(still.astype(np.float32), np.log(background(shift)).astype(np.float32))
    np.testing.assert_allclose(bare, shift, atol=0.15)


def test_moving_by_whole_pixels_moves_the_pixels():
    picture = background().astype(np.float32)
    np.testing.assert_allclose(shifted(picture, (3.0, -2.0))[10:-10, 10:-10], picture[7:-13, 12:-8], atol=1e-5)
    assert shifted(picture, (0.0, 0.0)) is picture


def test_the_edge_of_the_collimator_does_not_hold_the_mask_back():
    field = np.zeros(SHAPE, bool)
    field[20:-20, 20:-20] = True
    still = np.where(field, np.log(background()), -4.0).astype(np.float32)
    moved = np.where(field, np.log(background((1.5, -2.0)) * np.exp(-0.7 * vessel())), -4.0).astype(np.float32)
    np.testing.assert_allclose(estimate_shift_px(still, moved, field), (1.5, -2.0), atol=0.5)


def test_pictures_without_structure_are_not_moved():
    flat = np.zeros(SHAPE, np.float32)
    assert estimate_shift_px(flat, flat) == (0.0, 0.0)


def test_alignment_removes_the_bones_from_a_moved_run(tmp_path):
    run = open_run(bolus_file(tmp_path / "run.dcm", bolus(shift_px=(1.6, -2.3)), mask_frames=(0, 1)))
    middle = np.zeros(SHAPE, bool)
    middle[16:-16, 16:-16] = True
    outside = middle & (vessel() < 1e-3)
    left = [np.abs(_logs(subtract(run, align=align).frame(FULLEST)))[outside].mean() for align in (False, True)]
    assert left[1] < 0.4 * left[0]


def test_the_mask_module_s_own_shift_is_followed(tmp_path):
    def change(dataset):
        dataset.MaskSubtractionSequence[0].MaskSubPixelShift = [1.6, -2.3]
        dataset.MaskSubtractionSequence[0].ApplicableFrameRange = [4, 10]

    stack = bolus(shift_px=(1.6, -2.3))
    bolus_file(tmp_path / "plain.dcm", stack, mask_frames=(0, 1))
    run = open_run(_edited(tmp_path, change))
    assert run.mask[0].shift_px == pytest.approx((1.6, -2.3))
    assert run.mask[0].ranges == ((3, 9),)
    middle = (slice(16, -16), slice(16, -16))
    assert np.abs(np.median(_logs(subtract(run, align=False).frame(FULLEST))[middle])) < 0.01
    outside = subtract(run).frame(0)
    np.testing.assert_array_equal(outside.pixels, run.frame(0).pixels)
    assert (outside.kind, subtract(run).frame(FULLEST).kind) == ("fluoro", "dsa")


@pytest.mark.parametrize(
    ("changes", "subtracted"),
    [
        ({"MaskOperation": "TID", "TIDOffset": 3}, range(3, 12)),
        ({"MaskOperation": "REV_TID", "TIDOffset": 3, "ApplicableFrameRange": [5, 7]}, [4, 5]),
        ({"ApplicableFrameRange": [2, 3, 8, 9]}, [1, 2, 7, 8]),
        ({"MaskFrameNumbers": [40]}, []),
        ({"MaskFrameNumbers": [1, 40]}, []),
    ],
)
def test_frames_that_no_mask_is_stated_for_are_shown_as_they_are(tmp_path, changes, subtracted):
    def change(dataset):
        for keyword, value in changes.items():
            setattr(dataset.MaskSubtractionSequence[0], keyword, value)

    bolus_file(tmp_path / "plain.dcm", bolus(), mask_frames=(0, 1))
    run = open_run(_edited(tmp_path, change))
    shown = subtract(run) if run.mask else run
    wanted = {index for index in subtracted if index < run.frame_count}
    for index in range(run.frame_count):
        frame = shown.frame(index)
        assert (frame.kind == "dsa") == (index in wanted)
        assert frame.kind == "dsa" or (frame.pixels == run.frame(index).pixels).all()


def test_a_mask_frame_that_is_not_there_is_told(tmp_path, caplog):
    def change(dataset):
        dataset.MaskSubtractionSequence[0].MaskFrameNumbers = [40]

    bolus_file(tmp_path / "plain.dcm", bolus(), mask_frames=(0, 1))
    assert not open_run(_edited(tmp_path, change)).mask
    assert "run.dcm: its mask frame 40 is not there" in caplog.text


def test_of_several_mask_items_each_frame_takes_the_one_stated_for_it(tmp_path):
    def change(dataset):
        first = dataset.MaskSubtractionSequence[0]
        first.MaskFrameNumbers, first.ApplicableFrameRange = [1], [2, 4]
        second = pydicom.Dataset()
        second.MaskOperation, second.MaskFrameNumbers, second.ApplicableFrameRange = "AVG_SUB", [5], [6, 8]
        dataset.MaskSubtractionSequence.append(second)

    bolus_file(tmp_path / "plain.dcm", bolus(), mask_frames=(0, 1))
    run = open_run(_edited(tmp_path, change))
    shown = subtract(run, align=False)
    for index, mask in ((2, 0), (6, 4)):
        alone = subtract(run, mask_frames=[mask], align=False).frame(index)
        np.testing.assert_array_equal(shown.frame(index).pixels, alone.pixels)
    assert shown.frame(4).kind == "fluoro"


def test_a_run_to_be_viewed_as_it_is_has_no_subtraction(tmp_path):
    def change(dataset):
        dataset.RecommendedViewingMode = "NAT"

    bolus_file(tmp_path / "plain.dcm", bolus(), mask_frames=(0, 1))
    assert open_run(_edited(tmp_path, change)).mask == ()


def test_the_minimum_over_time_takes_subtracted_frames_alone(tmp_path):
    def change(dataset):
        dataset.MaskSubtractionSequence[0].ApplicableFrameRange = [4, 40]

    bolus_file(tmp_path / "plain.dcm", bolus(), mask_frames=(0, 1))
    assert minip(subtract(open_run(_edited(tmp_path, change)))).kind == "dsa"


def _edited(folder, change):
    dataset = pydicom.dcmread(folder / "plain.dcm")
    change(dataset)
    dataset.save_as(folder / "run.dcm", enforce_file_format=True)
    return folder / "run.dcm"


@pytest.mark.parametrize(
    ("operation", "frame", "masks"),
    [
        (MaskOperation(operation="AVG_SUB", mask_frames=(0, 2)), 5, (0, 2)),
        (MaskOperation(operation="AVG_SUB", mask_frames=(0, 99)), 5, ()),
        (MaskOperation(operation="AVG_SUB", mask_frames=(0,), ranges=((3, 4), (8, 9))), 5, ()),
        (MaskOperation(operation="AVG_SUB", mask_frames=(0,), ranges=((3, 4), (8, 9))), 8, (0,)),
        (MaskOperation(operation="TID", tid_offset=2), 5, (3,)),
        (MaskOperation(operation="TID", tid_offset=2), 1, ()),
        (MaskOperation(operation="TID", tid_offset=-2), 1, (3,)),
        # PS3.3 C.7.6.10: (first - offset) - (frame - first)
        (MaskOperation(operation="REV_TID", tid_offset=1, ranges=((5, 9),)), 5, (4,)),
        (MaskOperation(operation="REV_TID", tid_offset=1, ranges=((5, 9),)), 7, (2,)),
    ],
)
def test_mask_operations_choose_frames_as_the_standard_says(operation, frame, masks):
    assert operation.masks_of(frame, 10) == masks


def test_time_interval_differencing_shows_what_changed(tmp_path):
    def change(dataset):
        item = dataset.MaskSubtractionSequence[0]
        item.MaskOperation, item.TIDOffset = "TID", 2
        del item.MaskFrameNumbers

    bolus_file(tmp_path / "plain.dcm", bolus(), mask_frames=(0,))
    run = open_run(_edited(tmp_path, change))
    darkening = -_logs(subtract(run, align=False).frame(5))[vessel() > 0.95]
    assert np.median(darkening) == pytest.approx(0.7 * (0.9 - 0.2), abs=0.05)


def test_without_a_mask_module_the_empty_frames_are_found(tmp_path):
    run = open_run(bolus_file(tmp_path / "run.dcm", bolus()))
    assert is_subtractable(run)
    curve = contrast_curve(run)
    assert set(frames_without_contrast(curve)) <= {0, 1, 2}
    assert curve.frames[int(np.argmax(curve.amount))] in (FULLEST - 1, FULLEST, FULLEST + 1)
    assert np.median(-_logs(subtract(run).frame(FULLEST))[vessel() > 0.95]) == pytest.approx(0.7, abs=0.06)


def test_the_fullest_frame_is_found_raw_and_subtracted(run):
    assert contrast_frame(run) in (FULLEST - 1, FULLEST, FULLEST + 1)
    assert contrast_frame(subtract(run)) in (FULLEST - 1, FULLEST, FULLEST + 1)


def test_of_two_nearly_equal_peaks_the_earlier_is_taken_since_arteries_fill_before_veins(tmp_path):
    amounts = (0.0, 0.0, 0.5, 0.9, 0.93, 0.9, 0.6, 0.4, 0.4, 0.6, 0.9, 1.0, 1.0)
    assert contrast_frame(open_run(bolus_file(tmp_path / "run.dcm", bolus(amounts=amounts)))) in (3, 4, 5)
    amounts = (0.0, 0.0, 0.3, 0.5, 0.5, 0.5, 0.4, 0.3, 0.4, 0.6, 0.9, 1.0, 0.9)
    assert contrast_frame(open_run(bolus_file(tmp_path / "late.dcm", bolus(amounts=amounts)))) in (10, 11, 12)


def test_the_fullest_frame_is_found_though_the_patient_moved(tmp_path):
    run = open_run(bolus_file(tmp_path / "run.dcm", bolus(shift_px=(2.0, -3.0))))
    assert contrast_frame(run) in (FULLEST - 1, FULLEST, FULLEST + 1)


@pytest.mark.parametrize("amount", [0.0, 1.0], ids=["no contrast", "contrast throughout"])
def test_a_run_that_does_not_change_cannot_be_subtracted(tmp_path, amount):
    run = open_run(bolus_file(tmp_path / "run.dcm", bolus(amounts=(amount,) * 8)))
    assert not is_subtractable(run)
    with pytest.raises(InputError, match=r"run\.dcm: no frame without contrast"):
        subtract(run)
    assert 0 <= contrast_frame(run) < 8


def test_chosen_mask_frames_are_used_and_checked(run):
    assert subtract(run, mask_frames=[2]).mask[0].mask_frames == (2,)
    for frames in ([], [10], [-1]):
        with pytest.raises(InputError, match="mask frames"):
            subtract(run, mask_frames=frames)
    with pytest.raises(InputError, match="subtracted already"):
        subtract(subtract(run))
    assert not is_subtractable(subtract(run))


def test_the_minip_holds_the_darkest_value_of_each_pixel(tmp_path):
    stack = bolus(noise=0.0)
    run = open_run(bolus_file(tmp_path / "run.dcm", stack))
    frame = minip(run)
    np.testing.assert_array_equal(frame.pixels, stack.min(axis=0))
    assert frame.source_frame == MINIP_FRAME
    assert frame.geometry == run.geometry(0)
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 0


def test_the_minip_of_bright_vessels_holds_the_brightest(tmp_path):
    stack = np.stack([np.full((16, 16), value, np.uint8) for value in (10, 200, 90)])

    def change(dataset):
        dataset.PixelIntensityRelationshipSign = -1

    # Frames far brighter or darker than the median would be left out as unsettled, but there are no others.
    frame = minip(open_run(changed_file(tmp_path / "run.dcm", change, stack[[1, 1]])))
    assert frame.vessels_bright
    assert frame.pixels.max() == 200


def test_a_moving_c_arm_leaves_the_minip_without_geometry(tmp_path):
    views = [view(10.0 + i, shape=SHAPE) for i in range(10)]
    frame = minip(open_run(bolus_file(tmp_path / "run.dcm", bolus(), geometry=views)))
    assert frame.geometry is None
    assert "moved during the run" in frame.geometry_reason


def test_a_damaged_frame_is_left_out(tmp_path):
    path = bolus_file(tmp_path / "run.dcm", bolus())
    path.write_bytes(path.read_bytes()[: -SHAPE[0] * SHAPE[1] * 2 * 2])
    run = open_run(path)
    assert contrast_frame(run) in (FULLEST - 1, FULLEST, FULLEST + 1)
    assert minip(run).shape_px == SHAPE


def test_a_run_of_which_nothing_is_left_says_so(tmp_path):
    path = bolus_file(tmp_path / "run.dcm", bolus())
    path.write_bytes(path.read_bytes()[: -SHAPE[0] * SHAPE[1] * 2 * 10 + 100])
    for read in (minip, contrast_frame):
        with pytest.raises(InputError, match=r"run\.dcm"):
            read(open_run(path))


def test_the_real_phantom_is_full_of_contrast_throughout():
    run = open_run(real_data("coronary_phantom") / "IM6.dcm")
    assert not is_subtractable(run)
    assert minip(run).geometry == run.geometry(0)


@pytest.mark.parametrize("shape", [(40, 1), (1, 40), (7, 300), (2000, 3)])
def test_strips_too_narrow_to_tell_motion_stay_where_they_are(shape):
    noise = np.random.default_rng(0)
    still, moved = (noise.normal(size=shape).astype(np.float32) for _ in range(2))
    assert estimate_shift_px(still, moved) == (0.0, 0.0)
