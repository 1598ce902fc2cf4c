import json

import pytest
from typer.testing import CliRunner

from engines.inference.model_files import MANIFEST_NAME, SCHEMA, read_manifest
from engines.inference.runtimes import RUNTIMES
from guidance_app.cli.main import build_app
from tests.engines.inference.models import with_int8


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder with one network, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    folder = tmp_path / "models"
    folder.mkdir()
    record = with_int8(folder).record
    content = {"schema": SCHEMA, "models": {"coronary": record.model_dump(mode="json")}}
    (folder / MANIFEST_NAME).write_text(json.dumps(content))
    return folder


def _run(*arguments):
    return CliRunner().invoke(build_app(), ["engines", *map(str, arguments)])


def test_build_measures_and_list_shows_it(models):
    before = json.loads(_run("list", "--models", models, "--json").stdout)["engines"]
    assert not any(entry["chosen"] for entry in before)
    built = json.loads(_run("build", "--models", models, "--json").stdout)["models"][0]
    assert built["best_ms"][built["name"]] > 0
    after = json.loads(_run("list", "--models", models, "--json").stdout)["engines"]
    assert {entry["backend"] for entry in after} == set(RUNTIMES)
    assert [entry["backend"] for entry in after if entry["chosen"]] == [built["name"]]
    onnx = next(entry for entry in after if entry["backend"] == "onnx")
    assert onnx["ready"]
    assert onnx["bytes"] == (models / "coronary.onnx").stat().st_size
    assert onnx["key"] == read_manifest(models).models["coronary"].files["coronary.onnx"]
    assert f"* coronary      {built['name']}" in _run("list", "--models", models).stdout


def test_list_gives_a_reason_for_what_is_not_ready():
    entries = json.loads(_run("list", "--json").stdout)["engines"]
    assert {entry["model"] for entry in entries} == set(read_manifest().models)
    assert all(entry["reason"] for entry in entries if not entry["ready"])


def test_verify_compares_every_backend_and_finds_changed_weights(models):
    outcome = _run("verify", "--models", models, "--pictures", 2, "--json")
    checks = {check["backend"]: check for check in json.loads(outcome.stdout)["checks"]}
    assert set(checks) == set(RUNTIMES)
    assert checks["onnx"]["largest_difference"] == 0
    assert checks["openvino"]["status"] == "ok"
    assert checks["torch"]["status"] == "ok"
    content = bytearray((models / "coronary.safetensors").read_bytes())
    content[-1] ^= 1
    (models / "coronary.safetensors").write_bytes(content)
    changed = _run("verify", "--models", models, "--pictures", 1, "--json")
    assert changed.exit_code == 1
    failed = {c["backend"]: c["reason"] for c in json.loads(changed.stdout)["checks"] if c["status"] == "failed"}
    assert "refused" in failed["torch"]


def test_an_absent_reference_fails_what_depends_on_it(models):
    (models / "coronary.onnx").unlink()
    outcome = _run("verify", "--models", models, "--pictures", 1)
    assert outcome.exit_code == 1
    assert "no reference to compare with" in outcome.stdout


def test_an_unknown_network_is_refused_by_name(models):
    outcome = _run("build", "--models", models, "--model", "coronay")
    assert outcome.exit_code == 1
    assert "did you mean 'coronary'" in str(outcome.exception)


def test_a_trial_build_tells_operators_sizes_and_seconds_and_keeps_nothing(models, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="needs tensorrt-rtx; pip install tensorrt-rtx")
    outcome = _run("build", "--models", models, "--trial", "tensorrt-rtx", "--json")
    builds = {build["precision"]: build for build in json.loads(outcome.stdout)["builds"]}
    assert set(builds) == {"f16", "int8"}
    assert all(build["plan_bytes"] > 100_000 and build["build_s"] > 0 for build in builds.values())
    assert all(row["supported"] for build in builds.values() for row in build["operators"])
    assert "QuantizeLinear" in {row["operator"] for row in builds["int8"]["operators"]}
    assert not (tmp_path / "cache").exists()


def test_a_trial_with_an_unknown_library_names_the_nearest(models):
    outcome = _run("build", "--models", models, "--trial", "tensorrt-rtz")
    assert outcome.exit_code != 0
    assert "tensorrt-rtx" in str(outcome.exception)
