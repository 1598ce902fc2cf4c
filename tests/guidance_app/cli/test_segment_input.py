"""What the command meets in the wild: every bad input is one line, every odd one is understood."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.inference.model_files import BUNDLED_MODELS
from guidance_app.cli.main import build_app
from tests.engines.angiography.xa_samples import changed_file, pixels, xa_file
from tests.fuzz.damage import damaged
from tests.fuzz.dicom_damage import file_bytes
from tests.fuzz.samples import xa_samples


def _vessel(shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    row, column = np.mgrid[: shape[0], : shape[1]] * 120.0 / shape[0]
    across = np.abs(row - 60 - 12 * np.sin(column / 20))
    noise = np.random.default_rng(0).normal(0, 2, shape)
    return np.clip(170 - 90 * np.exp(-((across / 4) ** 2)) + noise, 0, 255).astype(np.uint8)


def _run(*arguments, model: str = "coronary", backend: str = "onnx"):
    options = [*map(str, arguments), "--model", model, "--backend", backend]
    return CliRunner().invoke(build_app(), ["segment", *options])


def _mask(folder, name: str) -> np.ndarray:
    return cv2.imread(str(folder / f"{name}_0000.png"), cv2.IMREAD_UNCHANGED)


def test_the_same_picture_in_grey_colour_palette_and_sixteen_bits_gives_the_same_mask(tmp_path):
    grey = _vessel()
    out = tmp_path / "out"
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "colour.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.dstack([grey] * 3 + [np.full_like(grey, 200)])).save(tmp_path / "alpha.png")
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) * 257)
    names = ("grey", "colour", "palette", "alpha", "deep")
    assert _run(*(tmp_path / f"{name}.png" for name in names), "--out", out).exit_code == 0
    expected = _mask(out, "grey")
    assert expected.any()
    for name in names[1:]:
        assert (_mask(out, name) != expected).mean() < 0.002, name


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (4096, 4096)])
def test_any_size_gets_a_mask_of_its_size(tmp_path, shape):
    cv2.imwrite(str(tmp_path / "a.png"), _vessel(shape) if min(shape) > 1 else np.full(shape, 7, np.uint8))
    assert _run(tmp_path / "a.png", "--out", tmp_path / "out").exit_code == 0
    mask = _mask(tmp_path / "out", "a")
    assert mask.shape == shape
    assert mask.any() == (min(shape) > 1)


def test_floating_point_pictures_are_refused_and_the_next_input_goes_on(tmp_path):
    values = _vessel().astype(np.float32)
    values[3, 3] = np.nan
    Image.fromarray(values, mode=None).save(tmp_path / "float.tif")
    cv2.imwrite(str(tmp_path / "good.png"), _vessel())
    outcome = _run(tmp_path / "float.tif", tmp_path / "good.png", "--out", tmp_path / "out")
    assert outcome.exit_code == 1
    assert outcome.stderr.count("\n") == 1
    assert "8 or 16 bit" in outcome.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [entry["status"] for entry in summary["inputs"]] == ["error", "ok"]
    assert "float.tif" in summary["inputs"][0]["reason"]


@pytest.mark.parametrize("kept", [200, 0.5, 0.98])
def test_a_dicom_file_cut_short_is_named_in_one_line(tmp_path, kept):
    whole = xa_file(tmp_path / "whole.dcm").read_bytes()
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole[: kept if isinstance(kept, int) else int(len(whole) * kept)])
    outcome = _run(cut, tmp_path / "whole.dcm", "--out", tmp_path / "out")
    assert outcome.exit_code == 1
    assert outcome.stderr.count("\n") == 1
    assert "cut.dcm" in outcome.stderr
    assert len(list((tmp_path / "out").glob("whole_*.png"))) == 3


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"model": "coronry"}, "did you mean 'coronary'"), ({"backend": "onx"}, "did you mean 'onnx'")],
)
def test_unknown_names_come_with_the_nearest_known_one(tmp_path, options, hint):
    cv2.imwrite(str(tmp_path / "a.png"), _vessel())
    outcome = _run(tmp_path / "a.png", "--out", tmp_path / "out", **options)
    assert isinstance(outcome.exception, InputError)
    assert hint in str(outcome.exception)
    assert not (tmp_path / "out").exists()


def test_tampered_weights_are_refused_before_anything_is_written(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("manifest.json", "coronary.onnx"):
        shutil.copy(BUNDLED_MODELS / name, folder / name)
    content = bytearray((folder / "coronary.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "coronary.onnx").write_bytes(content)
    cv2.imwrite(str(tmp_path / "a.png"), _vessel())
    outcome = _run(tmp_path / "a.png", "--models", folder, "--out", tmp_path / "out")
    assert isinstance(outcome.exception, InputError)
    assert "sha-256" in str(outcome.exception)
    assert not (tmp_path / "out").exists()


def test_attention_is_written_beside_the_masks(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), _vessel())
    outcome = _run(tmp_path / "a.png", "--attention", "--out", tmp_path / "out")
    assert outcome.exit_code == 0
    seen = cv2.imread(str(tmp_path / "out" / "a_0000_attention.png"))
    assert seen.shape[0] > 120
    assert np.ptp(seen.astype(int), axis=2).max() > 50  # heat has colour
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["inputs"][0]["attention"] == ["a_0000_attention.png"]


def test_an_unknown_layer_is_named_before_anything_is_written(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), _vessel())
    outcome = _run(tmp_path / "a.png", "--attention", "--layer", "decoder3", "--out", tmp_path / "out")
    assert "did you mean 'decoder-3'" in str(outcome.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore")  # what libraries remark about damage
def test_many_damaged_files_are_each_one_line_and_the_sound_ones_get_their_masks(tmp_path):
    samples, named = xa_samples(), []
    for number in range(24):
        rng = np.random.default_rng([24, number])
        name = list(samples)[number % len(samples)]
        content = file_bytes(samples[name])
        if number % 6:
            content = damaged(content[:400], rng) + content[400:] if number % 2 else content[: len(content) * 2 // 3]
        named.append(tmp_path / f"{number:02d}.dcm")
        named[-1].write_bytes(content)
    outcome = _run(*named, "--out", tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    statuses = [entry["status"] for entry in summary["inputs"]]
    lines = outcome.stderr.splitlines()
    assert outcome.exit_code == 1
    assert [entry["input"] for entry in summary["inputs"]] == [str(path) for path in named]
    assert "ok" in statuses
    assert statuses.count("error") == len(lines) > 3
    for entry in summary["inputs"]:
        assert bool(entry["reason"]) == (entry["status"] == "error")
        assert sum(entry["input"] in line for line in lines) == (entry["status"] == "error")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "summary.json", *(mask for entry in summary["inputs"] for mask in entry["masks"])
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Rows": 8193}, "8193 rows"),
        ({"Rows": 8192, "Columns": 8192, "NumberOfFrames": 40}, "GiB"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 of 32 bits"),
        ({"Rows": 47}, "the DICOM header says 47 x 64"),
    ],
)
def test_what_lies_about_its_size_or_depth_is_refused_and_the_next_goes_on(tmp_path, values, said):
    def change(dataset) -> None:
        if "Rows" in values and values["Rows"] == 47:
            dataset.compress(JPEG2000Lossless, pixels(), generate_instance_uid=False)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    syntax = JPEG2000Lossless if values.get("Rows") == 47 else None
    bad = changed_file(tmp_path / "bad.dcm", change, syntax=syntax)
    outcome = _run(bad, xa_file(tmp_path / "good.dcm"), "--out", tmp_path / "out")
    assert outcome.exit_code == 1
    assert outcome.stderr.count("\n") == 1
    assert said in outcome.stderr
    assert str(bad) in outcome.stderr
    assert len(list((tmp_path / "out").glob("good_*.png"))) == 3
    assert not list((tmp_path / "out").glob("bad_*"))


def test_picture_without_any_light_gets_an_empty_mask(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64), np.uint8))
    assert _run(tmp_path / "a.png", "--out", tmp_path / "out").exit_code == 0
    assert not _mask(tmp_path / "out", "a").any()
