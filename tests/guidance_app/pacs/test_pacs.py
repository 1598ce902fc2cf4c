"""Archive client against an archive in this process."""

import logging
import socket
from collections.abc import Iterator

import pydicom
import pytest

from calibration.errors import InputError
from guidance_app.pacs import client
from guidance_app.pacs.address import PacsAddress, parse_address
from guidance_app.pacs.association import PacsError, PacsLimits
from guidance_app.pacs.retrieval import fetch_series
from tests.guidance_app.pacs.archive_stand_in import (
    AET,
    CALLING,
    OTHER_SERIES,
    SERIES,
    STUDY,
    Archive,
    ct_slice,
    save,
    serving,
)

_LIMITS = PacsLimits(connect_s=5.0, answer_s=10.0)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive([ct_slice(index) for index in range(4)])) as running:
        yield running


def _address(archive: Archive, **changes) -> PacsAddress:
    return PacsAddress(**({"host": "127.0.0.1", "port": archive.port, "aet": AET, "calling": CALLING} | changes))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_echo_studies_and_series(archive):
    address = _address(archive)
    client.echo(address, _LIMITS)
    (study,) = client.find_studies(address, client.StudyQuery(modality="CT"), _LIMITS)
    assert (study.study_uid, study.modalities, study.instances) == (STUDY, "CT, SR", 4)
    (series,) = client.find_series(address, STUDY, limits=_LIMITS)
    assert (series.series_uid, series.modality, series.instances) == (SERIES, "CT", 4)


def test_a_series_is_fetched_whole(archive, tmp_path):
    fetched = fetch_series(_address(archive), STUDY, SERIES, tmp_path / "ct", limits=_LIMITS)
    files = sorted((tmp_path / "ct").iterdir())
    assert [file.name for file in files] == [f"{number:06d}.dcm" for number in (1, 2, 3, 4)]
    assert fetched.instances == 4
    positions = [pydicom.dcmread(file).ImagePositionPatient[2] for file in files]
    assert sorted(positions) == [0, 2, 4, 6]


def test_a_series_is_fetched_by_move_to_our_own_listener(archive, tmp_path):
    port = _free_port()
    archive.move_to = ("127.0.0.1", port)
    address = parse_address(
        f"127.0.0.1:{archive.port}?aet={AET}&calling={CALLING}&retrieve=move&listen=127.0.0.1:{port}"
    )
    assert fetch_series(address, STUDY, SERIES, tmp_path / "ct", limits=_LIMITS).instances == 4
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def _sends_less(archive):
    archive.sends = archive.sends[:3]


def _says_it_failed(archive):
    archive.sends, archive.fails = archive.sends[:3], 1


def _breaks_off(archive):
    archive.breaks_off = True


def _sends_another_series(archive):
    archive.sends[2] = ct_slice(2, series=OTHER_SERIES)


def _sends_the_same_twice(archive):
    archive.sends[3] = archive.sends[2]


def _sends_nothing(archive):
    archive.sends = []


@pytest.mark.parametrize(
    "fault",
    [_sends_less, _says_it_failed, _breaks_off, _sends_another_series, _sends_the_same_twice, _sends_nothing],
)
def test_a_partial_or_wrong_retrieval_is_an_error_and_leaves_nothing(archive, tmp_path, fault):
    fault(archive)
    with pytest.raises(PacsError):
        fetch_series(_address(archive), STUDY, SERIES, tmp_path / "ct", limits=_LIMITS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "limits",
    [
        PacsLimits(connect_s=5.0, answer_s=10.0, max_instances=2),
        PacsLimits(connect_s=5.0, answer_s=10.0, max_total_bytes=2000),
        PacsLimits(connect_s=5.0, answer_s=10.0, max_object_bytes=100),
    ],
)
def test_what_is_beyond_the_limits_is_refused_and_leaves_nothing(archive, tmp_path, limits):
    with pytest.raises(PacsError, match="sent"):
        fetch_series(_address(archive), STUDY, SERIES, tmp_path / "ct", limits=limits)
    assert list(tmp_path.iterdir()) == []


def test_too_many_answers_are_cut_short(archive):
    with pytest.raises(InputError, match="narrow the query"):
        client.find_series(_address(archive), STUDY, limits=PacsLimits(connect_s=5.0, answer_s=10.0, max_answers=0))


def test_a_series_that_is_not_there_is_named(archive, tmp_path):
    with pytest.raises(PacsError, match="no such series"):
        fetch_series(_address(archive), STUDY, OTHER_SERIES, tmp_path / "ct", limits=_LIMITS)


def test_a_folder_in_use_is_left_alone(archive, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        fetch_series(_address(archive), STUDY, SERIES, tmp_path, limits=_LIMITS)


@pytest.mark.parametrize("change", [{"aet": "NOBODY"}, {"calling": "STRANGER"}])
def test_wrong_titles_are_refused_with_both_titles_named(archive, change):
    with pytest.raises(PacsError, match=r"aet=.*calling="):
        client.echo(_address(archive, **change), _LIMITS)


def test_nobody_there_is_said():
    with pytest.raises(PacsError, match="no archive answers"):
        client.echo(PacsAddress(host="127.0.0.1", port=_free_port(), aet=AET), _LIMITS)


def test_exports_are_stored(archive, tmp_path):
    files = [save(ct_slice(index, series=OTHER_SERIES), tmp_path / f"{index}.dcm") for index in range(2)]
    assert client.store(_address(archive), files, limits=_LIMITS) == 2
    assert [kept.SeriesInstanceUID for kept in archive.kept] == [OTHER_SERIES] * 2


def test_a_store_that_the_archive_refuses_is_an_error(archive, tmp_path):
    archive.fails = 1
    with pytest.raises(PacsError, match="0xA700"):
        client.store(_address(archive), [save(ct_slice(0), tmp_path / "0.dcm")], limits=_LIMITS)


def test_a_file_that_is_no_dicom_is_refused_before_anything_is_sent(archive, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    good = save(ct_slice(0), tmp_path / "0.dcm")
    with pytest.raises(InputError, match=r"notes\.txt"):
        client.store(_address(archive), [good, tmp_path / "notes.txt"], limits=_LIMITS)
    assert archive.kept == []


def test_no_patient_text_in_logs_and_errors(archive, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    archive.fails = 1
    with pytest.raises(PacsError) as refused:
        client.store(_address(archive), [save(ct_slice(0), tmp_path / "0.dcm")], limits=_LIMITS)
    said = str(refused.value) + caplog.text + "".join(capfd.readouterr())
    assert "secret" not in said.lower()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("host?aet=A", "HOST:PORT"),
        ("host:99999?aet=A", "HOST:PORT"),
        ("host:104", "AE title is missing"),
        ("host:104?aet=", "no AE title"),
        ("host:104?aet=ABCDEFGHIJKLMNOPQ", "no AE title"),
        ("host:104?aet=A&tls=1", "'tls'"),
        ("host:104?aet=A&retrieve=push", "get or move"),
        ("host:104?aet=A&retrieve=move", "listen"),
    ],
)
def test_an_address_that_cannot_be_used_is_explained(text, reason):
    with pytest.raises(InputError, match=reason):
        parse_address(text)


@pytest.mark.parametrize("uid", ["", "../../etc", "1.2.x", "1." * 40])
def test_what_is_no_uid_is_refused(archive, tmp_path, uid):
    with pytest.raises(InputError, match="no DICOM UID"):
        fetch_series(_address(archive), STUDY, uid, tmp_path / "ct", limits=_LIMITS)


def test_a_case_is_made_from_an_archive(archive, tmp_path):
    from guidance_app.cli.main import build_app

    lines = tmp_path / "lines.csv"
    lines.write_text("x,y,z,radius\n" + "".join(f"{8},{8},{z / 10},1\n" for z in range(60)))
    place = f"127.0.0.1:{archive.port}?aet={AET}&calling={CALLING}"
    out = tmp_path / "case"
    arguments = ["case", "create", str(out), "--kind", "coronary", "--centerlines", str(lines), "--pacs", place]
    with pytest.raises(InputError, match="--study and --series"):
        build_app()(arguments, standalone_mode=False)
    build_app()([*arguments, "--study", STUDY, "--series", SERIES, "--json"], standalone_mode=False)
    assert (out / "case.json").is_file()
    assert (out / "cta.nii.gz").is_file()
    assert "secret" not in (out / "case.json").read_text().lower()
