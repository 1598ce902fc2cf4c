"""`train correlation` leaves weights that are vouched for; its command and its protocol refuse in one line."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.registration.correlation.similarity_weights import SIMILARITIES, load_similarity
from guidance_app.cli.main import build_app
from tests.engines.training.test_correlation import ball_scene


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "correlation-nogate"], "did you mean correlation-no-gate"),
        (["evaluate", "correlation-protocol", "--variant", "P4"], "choose one of P1, P2, P3"),
        (["evaluate", "correlation-protocol", "--row", "initial", "--reference", "prost"], "not among the rows"),
        (["evaluate", "correlation-protocol", "--weights", "nowhere", "--row", "prost"], "nowhere/similarities.json"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(build_app(), arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_training_leaves_weights_that_load_and_a_card(tmp_path, monkeypatch):
    from engines.training.correlation import correlation_recipe
    from engines.training.correlation.correlation_bank import make_bank

    bank = make_bank([ball_scene], moving=4, per_moving=3, seed=1)
    monkeypatch.setattr(correlation_recipe, "rendered_bank", lambda *_args, **_named: bank)
    result = CliRunner().invoke(build_app(), ["train", "prost", "--steps", "2", "--out", str(tmp_path)])
    assert result.exception is None, result.output
    record = SIMILARITIES.read(tmp_path)["prost"]
    assert (record.branches, record.steps) == ("single", 2)
    assert load_similarity("prost", tmp_path).name == "prost"
    card = (tmp_path / "prost.md").read_text()
    assert "Research use only" in card
    assert "2 steps" in card
