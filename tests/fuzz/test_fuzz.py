"""Whatever comes in is read, or refused in one clear line; and the oracle that says so is awake."""

import numpy as np
import pytest

from engines.angiography.files.open_run import open_run
from tests.engines.angiography.xa_samples import pixels
from tests.fuzz import samples
from tests.fuzz.deeds_target import DEEDS
from tests.fuzz.dicom_damage import damaged_set, file_bytes
from tests.fuzz.run import cases_of, fuzz
from tests.fuzz.targets import all_targets

_SHORT, _LONG = 300, 20_000


def _explained(report) -> str:
    return "\n".join(f"{found.target}:{found.number} {'; '.join(found.what)}" for found in report.findings)


def test_damaged_input_of_every_kind_is_read_or_refused_in_one_line():
    report = fuzz(cases_of(_SHORT, seed=0))
    assert not report.findings, _explained(report)
    assert set(report.targets) == {target.name for target in all_targets() if target.share}
    assert report.peak_mib < 1024


@pytest.mark.slow  # minutes; as a command: python -m tests.fuzz.run --count 20000
@pytest.mark.timeout(3600)
def test_twenty_thousand_damaged_inputs_are_read_or_refused_in_one_line():
    report = fuzz(cases_of(_LONG, seed=1))
    assert not report.findings, _explained(report)
    assert report.count >= _LONG - len(report.targets)


def test_oracle_sees_every_deed_that_is_forbidden():
    report = fuzz([("deeds", number) for number in range(len(DEEDS))])
    assert (report.targets["deeds"].read, report.targets["deeds"].refused) == (1, 1)
    expected = ("elsewhere.txt", "subprocess.Popen", "KeyError", "unprintable", "ZeroDivisionError", "of memory",
                "of the processor", "printed a traceback", "the process died")  # fmt: skip
    assert len(report.findings) == len(expected)
    for found, words in zip(report.findings, expected, strict=True):
        assert words in "; ".join(found.what)


def test_another_process_goes_on_after_one_that_died():
    died = next(number for number, deed in enumerate(DEEDS) if deed.__name__ == "_dies")
    report = fuzz([("deeds", died), ("deeds", 0), ("deeds", 1)])
    assert [finding.number for finding in report.findings] == [died]
    assert (report.targets["deeds"].read, report.targets["deeds"].refused) == (1, 1)


def test_the_same_case_is_the_same_damage():
    from tests.fuzz.damage import damaged
    from tests.fuzz.worker import generator

    content = bytes(range(256)) * 4
    first, again, other = (damaged(content, generator("xa", number)) for number in (7, 7, 8))
    assert first == again != other


@pytest.mark.filterwarnings("ignore")  # what pydicom remarks about values that lie
def test_damage_is_done_to_copies_of_the_samples():
    for name, dataset in samples.xa_samples().items():
        before, rng = file_bytes(dataset), np.random.default_rng(3)
        for _ in range(20):
            damaged_set(dataset, rng)
        assert file_bytes(dataset) == before, name


@pytest.mark.parametrize("name", ["explicit", "big-endian", "deflated", "rle", "jpeg2000", "jpeg-lossless", "enhanced"])
def test_samples_are_sound_before_they_are_damaged(tmp_path, name):
    path = tmp_path / "run.dcm"
    path.write_bytes(file_bytes(samples.xa_samples()[name]))
    run = open_run(path)
    bits = run.frame(0).bits_stored
    for index, expected in enumerate(pixels(samples.FRAMES, samples.SHAPE, bits)):
        np.testing.assert_array_equal(run.frame(index).pixels, expected)
    assert run.frame(0).geometry is not None
