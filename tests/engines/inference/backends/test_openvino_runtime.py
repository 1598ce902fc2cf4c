import pytest

from engines.inference import runtimes
from engines.inference.backends import openvino_runtime
from engines.inference.runtimes import RUNTIMES, why_not
from tests.engines.inference.models import with_int8


@pytest.mark.parametrize(
    ("flags", "has_them"),
    [
        ("fpu sse4_2 avx2 avx512f avx512_vnni amx_int8", True),
        ("fpu sse4_2 avx2 avx_vnni", True),
        ("fpu sse4_2 avx2 fma", False),
        ("", False),
    ],
)
def test_eight_bit_products_are_read_from_the_flags(tmp_path, flags, has_them):
    listing = tmp_path / "cpuinfo"
    listing.write_text(f"processor\t: 0\nmodel name\t: some CPU\nflags\t\t: {flags}\n")
    assert openvino_runtime.has_eight_bit_products(listing) is has_them


def test_a_cpu_that_cannot_be_asked_is_not_trusted(tmp_path):
    assert not openvino_runtime.has_eight_bit_products(tmp_path / "absent")


def test_without_eight_bit_products_the_8_bit_graph_is_left_to_onnx_runtime(tmp_path, monkeypatch):
    # Not importorskip: a plain import would start the library's telemetry.
    if not openvino_runtime.is_installed():
        pytest.skip("openvino is not installed")
    monkeypatch.setattr(runtimes.openvino_runtime, "has_eight_bit_products", lambda: False)
    files = with_int8(tmp_path)
    reason = why_not(RUNTIMES["openvino-int8"], files)
    assert reason is not None
    assert "8-bit products" in reason
    assert why_not(RUNTIMES["openvino"], files) is None
    assert why_not(RUNTIMES["onnx-int8"], files) is None
