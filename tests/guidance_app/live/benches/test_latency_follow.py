"""A benchmark tells how it stands while it runs, and at its end what the report says."""

from guidance_app.live.benches.latency_follow import followed, moments_after
from guidance_app.live.session.session import LiveSession
from guidance_app.sources.file_source import PacedFileSource
from tests.guidance_app.live.stand_ins import FakeRun, fake_recipe
from tests.guidance_app.live.window_stand_in import drive


def test_the_last_moment_counts_as_the_report_does(tmp_path):
    session = LiveSession(
        source=PacedFileSource(FakeRun(), fps=20.0, loop=True), recipe=fake_recipe(), run_for_s=1.5, spare_engine=False
    )
    with followed(session, tmp_path / "follow.jsonl", every_s=0.2), session:
        drive(session, limit_s=20.0)
    moments, at = moments_after(tmp_path / "follow.jsonl", 0)
    report = session.report()
    last = moments[-1]
    assert (last.frames, last.painted, last.superseded, last.dropped) == (
        report.frames, report.painted, report.superseded, report.dropped,
    )  # fmt: skip
    assert [one.frames for one in moments] == sorted(one.frames for one in moments)
    assert any("segment" in one.stages_ms for one in moments)
    assert at == (tmp_path / "follow.jsonl").stat().st_size
    assert moments_after(tmp_path / "follow.jsonl", at) == ([], at)


def test_half_a_line_waits_for_its_end(tmp_path):
    line = b'{"t_s":1,"frames":2,"painted":2,"superseded":0,"dropped":0,"stages_ms":{},"overlay_age_ms":null}\n'
    (tmp_path / "follow.jsonl").write_bytes(line + line[:20])
    moments, at = moments_after(tmp_path / "follow.jsonl", 0)
    assert (len(moments), at) == (1, len(line))
    (tmp_path / "follow.jsonl").write_bytes(line + line)
    assert len(moments_after(tmp_path / "follow.jsonl", at)[0]) == 1


def test_no_file_is_no_moment(tmp_path):
    assert moments_after(tmp_path / "none.jsonl", 0) == ([], 0)
