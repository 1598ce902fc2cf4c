"""`run` may be called from any folder: relative paths are the caller's, the tests run in the checkout.

The script is the real one, in a checkout whose environment is already there: `.venv` holds this interpreter and the
program, and the mark of a finished installation. So nothing is installed and no network is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_REAL = Path(__file__).resolve().parents[2]
_INSTALLED_FROM = ("pyproject.toml", ".ci/constraints.txt", "run")
_MAIN = "from guidance_app.cli.main import main; main()"
_LINE = "x,y,z,radius\n0,0,0,1.5\n0,0,10,1.5\n0,2,20,1.2\n0,4,30,1.0\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "the checkout"
    for name in _INSTALLED_FROM:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(_REAL / name, folder / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    _program(programs / "python", f'[ "$1" = -m ] && {{ pwd; echo "$@"; exit; }}\nexec {sys.executable} "$@"')
    _program(programs / "guidance-app", f"PYTHONPATH='{_REAL}' exec {sys.executable} -P -c '{_MAIN}' \"$@\"")
    mark = hashlib.sha256(b"".join((folder / name).read_bytes() for name in _INSTALLED_FROM)).hexdigest()[:16]
    for name in (".installed", ".installed-test"):
        (folder / ".venv" / name).write_text(f"{mark}\n", encoding="utf-8")
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "my data"
    folder.mkdir()
    return folder


def _program(path: Path, lines: str) -> None:
    path.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    path.chmod(0o755)


def _call(script: str | Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [str(script), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.mark.parametrize("way", ["absolute", "relative", "link"])
def test_relative_paths_are_the_callers(checkout, elsewhere, way):
    (elsewhere / "line.csv").write_text(_LINE, encoding="utf-8")
    (elsewhere / "torch.py").write_text("raise SystemExit('a file of the caller was imported')", encoding="utf-8")
    script = {"absolute": checkout / "run", "relative": "../the checkout/run", "link": elsewhere / "guide"}[way]
    if way == "link":
        (elsewhere / "guide").symlink_to(checkout / "run")
    before = _files(checkout)
    done = _call(script, elsewhere, "case", "create", "made", "--kind", "coronary", "--centerlines", "line.csv")
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "made" / "case.json").is_file()
    assert _files(checkout) == before


def test_a_file_that_is_not_in_the_callers_folder_is_named_as_given(checkout, elsewhere):
    (checkout / "line.csv").write_text(_LINE, encoding="utf-8")
    done = _call(
        checkout / "run", elsewhere, "case", "create", "made", "--kind", "coronary", "--centerlines", "line.csv"
    )
    assert done.returncode == 1
    assert "line.csv" in done.stderr
    assert not (elsewhere / "made").exists()


def test_the_tests_run_in_the_checkout(checkout, elsewhere):
    done = _call(checkout / "run", elsewhere, "test", "-k", "name")
    assert done.returncode == 0, done.stderr
    folder, arguments = done.stdout.splitlines()
    assert Path(folder) == checkout
    assert arguments.startswith("-m pytest ")
    assert arguments.endswith(" -k name")
