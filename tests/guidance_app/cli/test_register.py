"""When the fullest frame does not convince, other moments of the run are tried, and the answer says so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from calibration.pose import RigidPose
from engines.registration.registration import Registration, RegistrationBackend, RegistrationStatus
from guidance_app.cli.main import build_app
from guidance_app.cli.register import best_of_moments


def _found(status: RegistrationStatus, confidence: float) -> Registration:
    return Registration(
        case="c",
        views=(),
        isocentre_from_lps=RigidPose(matrix=np.eye(4), target="isocentre", source="lps"),
        status=status,
        confidence=confidence,
        expected_error_mm=1.0,
        depth_sigma_mm=5.0,
        reasons=("seen",),
        stages=(),
        elapsed_ms=100.0,
        backend=RegistrationBackend(render="", inference="", device="cpu"),
    )


def test_the_first_accepted_moment_ends_the_search() -> None:
    def others() -> Iterator[Registration]:
        yield _found("caution", 0.4)
        yield _found("accepted", 0.95)
        pytest.fail("the search went on after an accepted registration")

    best = best_of_moments(_found("rejected", 0.1), others())
    assert (best.status, best.confidence, best.elapsed_ms) == ("accepted", 0.95, 300.0)
    assert best.reasons == ("seen", "best of 3 frames of the run")


def test_without_an_accepted_one_the_most_confident_stays() -> None:
    best = best_of_moments(_found("caution", 0.6), iter([_found("rejected", 0.05), _found("caution", 0.3)]))
    assert (best.status, best.confidence) == ("caution", 0.6)


def test_nothing_else_to_try_changes_nothing() -> None:
    only = _found("rejected", 0.0)
    assert best_of_moments(only, iter(())) is only


@pytest.mark.parametrize(("init", "message"), [("matching:1,2", "four pixels"), ("matching:9,9,3,3", "is empty")])
def test_a_region_that_cannot_be_is_named_before_any_file_is_read(init: str, message: str) -> None:
    outcome = CliRunner().invoke(build_app(), ["register", "--case", "nowhere", "--xa", "x.dcm", "--init", init])
    assert isinstance(outcome.exception, InputError)
    assert message in str(outcome.exception)
