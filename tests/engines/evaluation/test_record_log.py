"""Finished records survive an interruption, and a torn line costs itself alone."""

from pydantic import BaseModel

from engines.evaluation.record_log import RecordLog


class Note(BaseModel):
    name: str
    value: float


def test_records_of_the_same_settings_are_taken_over(tmp_path):
    report = tmp_path / "report.json"
    RecordLog(Note, report, {"seed": 1}).add(Note(name="a", value=1.0))
    with (tmp_path / "report.json.records.jsonl").open("a") as file:
        file.write('{"name": "torn')
    log = RecordLog(Note, report, {"seed": 1})
    assert log.records == [Note(name="a", value=1.0)]
    log.add(Note(name="b", value=2.0))
    assert [note.name for note in RecordLog(Note, report, {"seed": 1}).records] == ["a", "b"]


def test_other_settings_begin_anew(tmp_path):
    report = tmp_path / "report.json"
    RecordLog(Note, report, {"seed": 1}).add(Note(name="a", value=1.0))
    assert RecordLog(Note, report, {"seed": 2}).records == []


def test_without_a_report_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RecordLog(Note, None, {}).add(Note(name="a", value=1.0))
    assert not list(tmp_path.iterdir())
