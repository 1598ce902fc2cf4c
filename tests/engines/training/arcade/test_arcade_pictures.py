import cv2
import numpy as np
import pytest

from calibration.errors import InputError
from engines.training.arcade.arcade_patches import lesson
from engines.training.arcade.arcade_pictures import arcade_names, read_arcade
from engines.training.arcade.unlabelled_vessels import read_silence
from tests.engines.training.arcade.marked_pictures import BRANCH, CATHETER, LEAD, MAIN, line, write_folder


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    return read_arcade(write_folder(tmp_path_factory.mktemp("arcade")), "train")


def _share(mask: np.ndarray, points: np.ndarray) -> float:
    """Of a line's own pixels, those in a mask on the working grid."""
    along = cv2.resize(line(points, 3), (256, 256), interpolation=cv2.INTER_AREA) > 127
    return float((mask[along] > 0).mean())


def test_an_unmarked_branch_is_left_out_and_the_catheter_is_known(read):
    one = read[0]
    assert _share(one.ignore, BRANCH[1:]) > 0.9
    assert _share(one.catheter, CATHETER[:-1]) > 0.8
    assert _share(one.ignore, CATHETER[:-1]) < 0.1
    assert _share(one.catheter, BRANCH[1:]) == 0
    assert _share(one.ignore, LEAD) == 0  # far from the tree: no vessel
    assert _share(one.tubes, LEAD) > 0.9
    assert _share(one.ignore, MAIN) == 0


def test_a_picture_without_marks_is_background_alone(tmp_path):
    folder = write_folder(tmp_path / "a", 1)
    cv2.imwrite(str(folder / "train" / "masks" / "0.png"), np.zeros((512, 512), np.uint8))
    (one,) = read_arcade(folder, "train")
    assert not one.vessel.any()
    assert not one.ignore.any()
    assert not one.catheter.any()


def test_a_smaller_picture_is_brought_to_size(tmp_path):
    folder = write_folder(tmp_path / "a", 1)
    for name in ("images/0.jpg", "masks/0.png"):
        path = str(folder / "val" / name)
        cv2.imwrite(path, cv2.resize(cv2.imread(path, cv2.IMREAD_GRAYSCALE), (300, 300)))
    (one,) = read_arcade(folder, "val")
    assert one.picture.shape == one.vessel.shape == (512, 512)
    assert _share(cv2.resize(one.vessel, (256, 256)), MAIN) > 0.95


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"train/images: no such folder; --arcade wants"):
        arcade_names(tmp_path, "train")
    folder = write_folder(tmp_path / "a")
    (folder / "train" / "masks" / "1.png").unlink()
    with pytest.raises(InputError, match=r"1\.jpg: has no mask of its name"):
        arcade_names(folder, "train")
    cv2.imwrite(str(folder / "train" / "masks" / "1.png"), np.zeros((100, 90), np.uint8))
    with pytest.raises(InputError, match=r"1\.png: the mask is 100x90, its picture 512x512"):
        read_arcade(folder, "train")
    (folder / "train" / "masks" / "1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"1\.png: no readable picture"):
        read_arcade(folder, "train")
    for path in (folder / "val" / "images").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="holds no picture"):
        read_arcade(folder, "val")


def test_pictures_that_show_nothing_are_left_out(tmp_path):
    folder = write_folder(tmp_path / "a")
    cv2.imwrite(str(folder / "train" / "images" / "0.jpg"), np.full((512, 512), 90, np.uint8))
    assert [one.name for one in read_arcade(folder, "train")] == ["1"]


def test_a_lesson_weighs_what_is_known(read):
    one = lesson(np.random.default_rng(0), read[0], spoilt=False)
    assert one is not None
    assert one.channels.shape == one.masks.shape == one.weights.shape == (2, 256, 256)
    assert _share(one.masks[0], MAIN) > 0.95
    assert _share(one.weights[0], BRANCH[1:]) < 0.1
    catheter = one.masks[1] > 0
    assert catheter.any()
    assert (one.weights[0][catheter] > 1).all()
    assert one.masks[0][catheter].sum() == 0
    assert _share(one.weights[1], LEAD) < 0.1  # may be a device: nobody said
    assert _share(one.weights[0], LEAD) == 1  # but no vessel


def test_labels_move_with_the_picture(read):
    random = np.random.default_rng(4)
    darker = []
    for _ in range(12):
        one = lesson(random, read[0])
        assert one is not None
        assert np.isfinite(one.channels).all()
        for mask in one.masks:
            inside = (mask > 0) & (one.channels[1] != 0)
            if inside.sum() > 60:
                ring = cv2.dilate(mask, np.ones((9, 9))) - cv2.dilate(mask, np.ones((5, 5)))
                darker.append(one.channels[1][inside].mean() < one.channels[1][ring > 0].mean() - 0.5)
    assert len(darker) > 10
    assert np.mean(darker) > 0.9


def test_the_same_seed_gives_the_same_lesson(read):
    first, second = (lesson(np.random.default_rng(9), read[1]) for _ in range(2))
    assert first is not None
    assert second is not None
    for part in ("channels", "masks", "weights"):
        assert np.array_equal(getattr(first, part), getattr(second, part))


def test_marks_outside_the_field_say_nothing():
    marked = np.zeros((64, 64), bool)
    marked[:4, :4] = True
    field = np.zeros((64, 64), bool)
    field[20:, 20:] = True
    found = read_silence(np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32), marked, field)
    assert not (found.ignore | found.catheter | found.tubes).any()
