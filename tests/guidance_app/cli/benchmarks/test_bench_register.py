"""`bench register` and `evaluate registration` refuse in one line what they cannot do."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from calibration.errors import InputError
from engines.evaluation.benchmarks import register_bench
from guidance_app.cli.benchmarks import bench
from guidance_app.cli.evaluations import evaluate
from tests.engines.evaluation.trials import OffBy, ready, subject_of
from tests.engines.registration.vessel_bed import bed


def _app(group) -> typer.Typer:
    app = typer.Typer()
    group.add_to(app)

    @app.callback()
    def whole() -> None: ...

    return app


@pytest.mark.parametrize(
    ("group", "arguments", "message"),
    [
        (bench, ["bench", "register", "--cases", "coronary", "--method", "newton"], "no registration method is called"),
        (bench, ["bench", "register", "--cases", "nowhere"], "not one case could be used; first: nowhere"),
        (evaluate, ["evaluate", "registration"], "nothing to evaluate"),
        (evaluate, ["evaluate", "registration", "coronary", "--protocol", "mesy"], "did you mean messy"),
        (evaluate, ["evaluate", "registration", "coronary", "--wrong-anatomy"], "the only coronary case"),
        (evaluate, ["evaluate", "registration", "coronary", "--workers", "2", "--cluster", "tcp://x:1"], "leave out"),
        (evaluate, ["evaluate", "registration", "coronary", "--method", "newton"], "no registration method is called"),
        (evaluate, ["evaluate", "registration", "coronary", "--biplane", "--runs", "1"], "leave out --runs"),
        (evaluate, ["evaluate", "registration", "coronary", "--starts-of", "ours"], "expected METHOD=N"),
        (evaluate, ["evaluate", "registration", "coronary", "--starts-of", "dicom=2"], "dicom is not evaluated"),
        (evaluate, ["evaluate", "registration", "coronary", "--starts-of", "ours=2@0"], "expected METHOD=N"),
    ],
)
def test_what_cannot_be_done_is_one_line(group, arguments, message) -> None:
    result = CliRunner().invoke(_app(group), arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_the_figures_are_printed_and_written_and_nothing_is_left_beside(monkeypatch, tmp_path) -> None:
    scene = bed(1)
    made = {
        "stock-diffdrr-ncc": OffBy("stock-diffdrr-ncc", scene, 9.0, seconds=20.0),
        "ours": OffBy("ours", scene, 1.0),
    }
    monkeypatch.setattr(register_bench, "recipe_named", lambda name, **_: ready(made[name]))
    source = ("a", lambda: [subject_of(scene)])
    monkeypatch.setattr("engines.evaluation.registration.cases.sources", lambda *_, **__: [source])
    target = tmp_path / "bench.json"
    result = CliRunner().invoke(_app(bench), ["bench", "register", "a", "--method", "ours", "--json", str(target)])
    assert result.exit_code == 0, result.output
    assert "ours is 20 times faster than stock-diffdrr-ncc" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    assert '"speedup_over_stock": 20.0' in target.read_text()
