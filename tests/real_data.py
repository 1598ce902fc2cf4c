"""Where the real validation data lies; tests that need it skip with a reason elsewhere."""

import os
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parents[1]


def real_data(name: str) -> Path:
    """Path of a folder or file below the data root (`GUIDANCE_DATA`, else `shared/data` beside the checkout)."""
    root = Path(os.environ.get("GUIDANCE_DATA", _CHECKOUT.parent / "shared" / "data"))
    path = root / name
    if not path.exists():
        pytest.skip(f"real data {name} is not on this machine; set GUIDANCE_DATA to its folder")
    return path
