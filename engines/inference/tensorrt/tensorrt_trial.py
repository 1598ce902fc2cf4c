"""Whether a network becomes a TensorRT plan at all: built, weighed and thrown away. TensorRT for RTX needs no GPU."""

from __future__ import annotations

import time
from dataclasses import dataclass

from engines.inference.model_files import ModelFiles
from engines.inference.tensorrt.tensorrt_builder import (
    Flavour,
    OperatorRow,
    PlanPrecision,
    build_plan,
    operator_table,
    source_graph,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBuild:
    """A plan that was built to be measured.

    Args:
        onnx_bytes: of the graph it was built from.
        plan_bytes: of the serialised plan.
        build_s: parsing, building and serialising.
        operators: every operator of the graph.
    """

    model: str
    flavour: Flavour
    precision: PlanPrecision
    onnx_bytes: int
    plan_bytes: int
    build_s: float
    operators: tuple[OperatorRow, ...]


def trial_build(files: ModelFiles, flavour: Flavour, precision: PlanPrecision) -> TrialBuild:
    """Build as `ready_plan` would, and keep nothing.

    Raises:
        InputError: the library is absent, no such graph ships, the parser refuses it, or the build fails.
    """
    graph = source_graph(files, precision)
    operators = tuple(operator_table(graph, flavour))
    began = time.perf_counter()
    plan = build_plan(graph, flavour, channels=files.record.channels, side_px=files.record.working_px)
    return TrialBuild(
        model=files.name, flavour=flavour, precision=precision, onnx_bytes=len(graph), plan_bytes=len(plan),
        build_s=time.perf_counter() - began, operators=operators,
    )  # fmt: skip
