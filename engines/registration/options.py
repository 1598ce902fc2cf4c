"""Choices of a registration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationOptions:
    """How much work a registration may do.

    Args:
        ask_network: add the pose network's answers to the starts of the search.
        judge_by_rendering: where a run shows what contrast darkened, search and fit by rendering the parts that fill,
            and let that decide and judge.
        refine_drr: refine on rendered vessels; slower by seconds, and seldom better than the centerlines already are.
        device: where the renderer runs.
        table_shift_mm: standard deviation of an unknown table movement between the two views of a pair; None takes
            0 where both headers state the same table position and 15 mm where they do not say.
    """

    ask_network: bool = True
    judge_by_rendering: bool = True
    refine_drr: bool = False
    device: str = "cpu"
    table_shift_mm: float | None = None
