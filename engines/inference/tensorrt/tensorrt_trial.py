"""Try whether a network can become a TensorRT plan: build it, measure its size and discard it.

TensorRT for RTX needs no GPU for this.
"""

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
        onnx_bytes: size of the graph from which it was built.
        plan_bytes: size of the serialised plan.
        build_s: time for parsing, building and serialising.
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
    """Build a plan as `ready_plan` does, but keep nothing.

    Raises:
        InputError: the library is not installed, no such graph ships, the parser refuses it, or the build fails.
    """
    graph = source_graph(files, precision)
    operators = tuple(operator_table(graph, flavour))
    began = time.perf_counter()
    plan = build_plan(graph, flavour, channels=files.record.channels, side_px=files.record.working_px)
    return TrialBuild(
        model=files.name, flavour=flavour, precision=precision, onnx_bytes=len(graph), plan_bytes=len(plan),
        build_s=time.perf_counter() - began, operators=operators,
    )  # fmt: skip
