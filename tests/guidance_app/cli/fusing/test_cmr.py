from pathlib import Path

import pytest

from guidance_app.cli.main import build_app, main
from tests.engines.cmr.first_passes import write_folder


def _run(*words: str) -> None:
    build_app()(list(words), standalone_mode=False)


def test_perfusion_without_a_ct(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("cmr", "perfusion", "--perfusion", str(write_folder(tmp_path / "p", levels=2)), "--out", str(tmp_path / "out"))
    assert "FEW_SLICES" in capsys.readouterr().out
    assert (tmp_path / "out" / "result.json").exists()


def test_an_unknown_network_of_cmr_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["guidance-app", "train", "cmr-hart", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code != 0
    assert "cmr-heart" in capsys.readouterr().err


def test_fuse_needs_its_inputs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["guidance-app", "cmr", "fuse", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert "needs --cta and --perfusion" in capsys.readouterr().err
