"""Fixtures every room shares: fixed seeds, one thread, and a watch for leaked threads."""

import os
import random
import shutil
import sys
import threading

import pytest
from hypothesis import settings

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes too")


def pytest_configure(config: pytest.Config) -> None:
    # The same cases on every run, so that a failure can be repeated; `--slow` searches where nobody has looked yet.
    settings.register_profile("repeatable", derandomize=True)
    settings.register_profile("search", print_blob=True)
    settings.load_profile("search" if config.getoption("--slow") else "repeatable")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))
        if item.get_closest_marker("display") and not shutil.which("xvfb-run"):
            item.add_marker(pytest.mark.skip(reason="needs xvfb-run; install the package xvfb"))
        if item.get_closest_marker("gpu") and not _has_cuda():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True)
def _fixed_seeds():
    import numpy as np

    np.random.seed(0)  # noqa: NPY002 - libraries that still draw from the global generator must be reproducible too
    random.seed(0)
    if (torch := sys.modules.get("torch")) is not None:  # importing it takes seconds
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_leaked_threads():
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon or thread.name.startswith("guidance"):
            thread.join(timeout=5.0)
            assert not thread.is_alive(), f"the test leaked the thread {thread.name}"
