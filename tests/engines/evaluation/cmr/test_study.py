from pathlib import Path

import pytest

from calibration.errors import InputError
from engines.evaluation.cmr import case_figures
from engines.evaluation.cmr.study import StudyTask, study_task, study_tasks


def test_each_case_has_one_maker_whatever_masks_are_tried_on_it():
    tasks = study_tasks(Path("cases"), test=2, shift=1, masks="both")
    assert [task.seed for task in tasks] == [1000, 1001, 2000]
    assert {task.masks_given for task in tasks} == {(True, False)}
    assert study_tasks(Path("cases"), test=1, shift=0, masks="predicted")[0].masks_given == (False,)


@pytest.mark.parametrize(
    ("changes", "words"), [({"masks": "some"}, "given, predicted or both"), ({"test": 0}, "at least")]
)
def test_a_study_of_nothing_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        study_tasks(Path("cases"), **({"test": 1, "shift": 0, "masks": "both"} | changes))


def test_the_tree_is_taken_from_its_arm_alone_with_given_masks_too(monkeypatch, tmp_path):
    (tmp_path / "truth.json").write_text("{}")
    asked = []

    def evaluate(folder, *, masks_given, trials, names, without_tree):
        assert (folder, set(names) <= set(trials)) == (tmp_path, True)
        asked.append((masks_given, tuple(names), [name for name in names if name in without_tree]))
        return iter((name, {"masks": masks_given}) for name in names)

    monkeypatch.setattr(case_figures, "evaluate_case", evaluate)
    rows = []
    arms = ("default", "ct-coronaries", "paths")
    study_task(StudyTask(folder=str(tmp_path), seed=1, masks_given=(True, False), trials=arms), rows.append)
    assert asked == [(True, arms[:2], ["ct-coronaries"]), (False, arms, ["ct-coronaries"])]
    assert [row["arms"] for row in rows] == [*arms[:2], *arms]
