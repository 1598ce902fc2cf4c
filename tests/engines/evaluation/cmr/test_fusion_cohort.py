import csv
import json
from pathlib import Path

import pytest

from calibration.errors import InputError
from engines.evaluation.cmr import fusion_cohort
from engines.evaluation.cmr.fusion_cohort import fuse_cohort, read_list


def _list(folder: Path, *rows: str) -> Path:
    path = folder / "cases.csv"
    path.write_text("\n".join(["id,cta,ct_masks,coronaries,perfusion", *rows]) + "\n")
    return path


def test_done_cases_are_kept_and_broken_ones_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def work(task, emit) -> None:
        done.append(task.case)
        if task.case == "b":
            raise InputError("b: no such CT")
        Path(task.out).mkdir(parents=True, exist_ok=True)
        result = {"flags": [], "dice": {"reoriented": 0.7, "registered": 0.9}, "segments": {}, "stenoses": [],
                  "unmatched_defects": [], "elapsed_ms": 1000.0}  # fmt: skip
        (Path(task.out) / "result.json").write_text(json.dumps(result))
        emit(task.case)

    monkeypatch.setattr(fusion_cohort, "fuse_task", work)
    path = _list(tmp_path, "a,ct,,,p", "b,ct,,,p", "c,ct,,,p")
    summary = fuse_cohort(path, tmp_path / "out")
    assert (summary["done"], [one["id"] for one in summary["failed"]]) == (2, ["b"])
    done.clear()
    fuse_cohort(path, tmp_path / "out")
    assert done == ["b"]
    rows = list(csv.DictReader((tmp_path / "out" / "summary.csv").read_text().splitlines()))
    assert [(row["id"], row["status"]) for row in rows] == [("a", "done"), ("b", "failed"), ("c", "done")]
    assert rows[1]["reason"] == "b: no such CT"


@pytest.mark.parametrize(
    ("rows", "words"),
    [((), "holds no cases"), (("../x,ct,,,p",), "name a folder"), (("a,ct,,,p", "a,ct,,,p"), "several lines")],
)
def test_a_wrong_list_is_refused(tmp_path: Path, rows: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_list(_list(tmp_path, *rows), tmp_path / "out")
