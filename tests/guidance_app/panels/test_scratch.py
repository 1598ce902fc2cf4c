"""What a killed program left in the temporary folder goes with the next start; what is in use stays."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from guidance_app.panels.scratch import scratch_folder, sweep_scratch


def test_folders_of_dead_processes_go_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    own = scratch_folder("import")
    assert own.stat().st_mode & 0o077 == 0
    left = tmp_path / f"guidance-import-{gone.pid}-ab12_c"
    left.mkdir()
    (left / "voxels.npy").write_bytes(b"1")
    others = [tmp_path / "guidance-notes", tmp_path / f"elsewhere-import-{gone.pid}-ab"]
    for other in others:
        other.mkdir()
    linked = tmp_path / f"guidance-import-{gone.pid}-link"
    linked.symlink_to(own)
    assert sweep_scratch() == [left]
    assert not left.exists()
    assert own.exists()
    assert all(other.exists() for other in (*others, linked))
