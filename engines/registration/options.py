"""The options of a registration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationOptions:
    """Options of a registration.

    Args:
        ask_network: whether to add the pose network's answers to the starts of the search.
        judge_by_rendering: whether rendering the parts that fill searches, fits and judges, where the run shows what
            contrast darkened.
        refine_drr: whether to refine on rendered vessels; takes seconds more, and is seldom better than without.
        device: torch device of the renderer.
        table_shift_mm: standard deviation of an unknown table movement between the two views of a pair; None takes
            0 if both headers state the same table position, and 15 mm if they do not state it.
    """

    ask_network: bool = True
    judge_by_rendering: bool = True
    refine_drr: bool = False
    device: str = "cpu"
    table_shift_mm: float | None = None
