import os
import subprocess
import sys

import pytest

from engines.inference import runtimes
from engines.inference.backends import openvino_runtime
from engines.inference.runtimes import RUNTIMES, why_not
from tests.engines.inference.models import with_int8

# Not importorskip: a plain import would start the library's telemetry.
pytestmark = pytest.mark.skipif(not openvino_runtime.is_installed(), reason="openvino is not installed")

_ASKED = """
from engines.inference.backends import openvino_runtime
print(openvino_runtime.adds_eight_bit_products(), openvino_runtime.computes_in_bfloat16())
"""


def _asked(widest: str) -> list[str]:
    """The runtime's answers in a process that may use these instructions but no wider ones."""
    done = subprocess.run(
        [sys.executable, "-c", _ASKED], env=os.environ | {"ONEDNN_MAX_CPU_ISA": widest},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout.split()


def test_instructions_that_the_runtime_may_not_use_do_not_count():
    """On any processor: AVX2 adds pairs of 8-bit products in 16 bits, and has no bfloat16."""
    assert _asked("AVX2") == ["False", "False"]


def test_a_wider_runtime_is_never_worse():
    narrow, wide = _asked("AVX512_CORE"), _asked("DEFAULT")
    assert all(w == "True" for n, w in zip(narrow, wide, strict=True) if n == "True")


def test_where_sums_of_products_overflow_the_8_bit_graph_is_left_to_onnx_runtime(tmp_path, monkeypatch):
    monkeypatch.setattr(runtimes.openvino_runtime, "adds_eight_bit_products", lambda: False)
    files = with_int8(tmp_path)
    reason = why_not(RUNTIMES["openvino-int8"], files)
    assert reason is not None
    assert "8-bit products" in reason
    assert why_not(RUNTIMES["openvino"], files) is None
    assert why_not(RUNTIMES["onnx-int8"], files) is None


def test_without_bfloat16_the_32_bit_runtime_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(runtimes.openvino_runtime, "computes_in_bfloat16", lambda: False)
    reason = why_not(RUNTIMES["openvino-bf16"], with_int8(tmp_path))
    assert reason is not None
    assert "take openvino" in reason
