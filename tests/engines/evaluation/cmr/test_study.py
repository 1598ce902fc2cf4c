from pathlib import Path

import pytest

from calibration.errors import InputError
from engines.evaluation.cmr.study import study_tasks


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
