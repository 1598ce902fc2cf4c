"""Fixtures every room shares: fixed seeds, one thread, and a watch for leaked threads."""

import os
import threading

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _fixed_seeds():
    import numpy as np

    np.random.seed(0)  # noqa: NPY002 - libraries that still draw from the global generator must be reproducible too


@pytest.fixture(autouse=True)
def _no_leaked_threads():
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon or thread.name.startswith("guidance"):
            thread.join(timeout=5.0)
            assert not thread.is_alive(), f"the test leaked the thread {thread.name}"
