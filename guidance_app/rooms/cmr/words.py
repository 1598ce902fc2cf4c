"""A result in words: a sentence a lesion, the trust word with its reasons, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from guidance_app.rooms.cmr.opened import DefectFound, LesionFound, OpenedCmr, ResultFound, SegmentFound

Trust = Literal["TRUSTED", "CHECK", "REJECTED"]
_VERDICTS = {"matched": "matched", "unmatched_lesion": "no defect behind it", "shared": "defect in a shared territory"}
_FLAGS = {
    "REGISTRATION_DOUBTFUL": ("CT and CMR may not lie on each other", "compare both walls in the CT slice"),
    "WALL_DOUBTFUL": ("the wall in the CMR is uncertain", "compare both walls in the CT slice"),
    "HEART_DOUBTFUL": ("the left ventricle in the CT is uncertain", "look at the wall in the CT, or give masks"),
    "PHASE_MISMATCH": ("CT and CMR show different phases of the beat", "compare both walls in the CT slice"),
    "STRESS_REST_DOUBTFUL": ("stress and rest may be exchanged", "check which series is the stress"),
    "AIF_SATURATED": ("the LV pool's signal is saturated, so shares of it are too high",
                      "read upslope against remote wall alone"),
    "MOTION_LEFT": ("breathing or beating is left in the series", "look at the curves in the figure"),
    "LOW_SNR": ("the contrast is weak against the noise", "look at the curves in the figure"),
    "DARK_RIM": ("a thin early dark rim looks like an artefact", "look whether the defect lasts beyond the first pass"),
    "FIRST_PASS_CUT": ("the series ends within the first pass", "do not read late segments"),
    "FEW_SLICES": ("fewer than three slices were seen", "read only segments near a slice"),
    "SLICE_LEFT_OUT": ("a slice could not be used", "read its segments as not seen"),
    "RV_UNKNOWN": ("the right ventricle was not found, so segments may be turned", "check the septum's place"),
    "APEX_CUT": ("the apex is cut off in the CT", "do not read apical segments"),
    "BASE_CUT": ("the base is cut off in the CT", "do not read basal segments"),
    "TREE_INCOMPLETE": ("the coronary tree is missing or incomplete", "check the tree before naming a vessel"),
    "VERDICT_BORDERLINE": ("a lesion's wall lies so near the limit that noise or uneven wall could turn its verdict",
                           "read its share of remote, not the word"),
    "TERRITORY_SHARED": ("a lesion's wall lies near a second vessel", "read both vessels"),
}  # fmt: skip
_WRONG = ("REGISTRATION_DOUBTFUL", "STRESS_REST_DOUBTFUL")  # what is seen may belong elsewhere altogether
_NAMES = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
_APICAL = ("anterior", "septal", "inferior", "lateral")


def lesion_sentence(lesion: LesionFound, found: ResultFound) -> str:
    percent = f"{'about ' if found.coronaries == 'found_in_ct' else ''}{lesion.percent:.0f} %"
    seen = "not seen by any slice" if lesion.of_remote is None else f"upslope {lesion.of_remote:.2f} of remote"
    verdict = "no verdict" if lesion.mean_relative_upslope is None else _VERDICTS[lesion.verdict]
    return f"{lesion.branch} {percent}: {lesion.subtended_mass_g:.0f} g subtended, {seen}: {verdict}"


def defect_sentence(defect: DefectFound, remote: float | None) -> str:
    share = f", upslope {defect.mean_relative_upslope / remote:.2f} of remote" if remote else ""
    names = ", ".join(segment_name(number) for number in defect.segments) or "no whole segment"
    return f"Defect without a stenosis: {defect.mass_g:.0f} g{share} ({names})"


def nothing_sentence(opened: OpenedCmr) -> str:
    """What is said where there is no lesion."""
    return (
        "No coronary tree given, none seen in the CT: no lesion can be matched"
        if opened.found.coronaries == "none"
        else "No coronary tree: no lesion can be matched"
        if opened.territories is None
        else "No stenosis of 40 % or more in the tree"
    )


def coronaries_words(found: ResultFound) -> str:
    """Where the tree comes from, if the program found it."""
    if found.coronaries != "found_in_ct":
        return ""
    unseen = f" ({', '.join(found.coronaries_assumed)} not seen, course assumed)" if found.coronaries_assumed else ""
    return f"coronaries found in the CT{unseen}"


def trust_of(flags: Sequence[str]) -> Trust:
    if not flags:
        return "TRUSTED"
    return "REJECTED" if any(flag in _WRONG for flag in flags) else "CHECK"


def reasons(flags: Sequence[str]) -> tuple[str, ...]:
    """In words, the gravest first."""
    return tuple(_FLAGS[flag][0] if flag in _FLAGS else flag for flag in _ordered(flags))


def next_step(opened: OpenedCmr) -> str:
    flags = _ordered(opened.found.flags)
    if flags:
        return _FLAGS[flags[0]][1] if flags[0] in _FLAGS else "look at the figure"
    if opened.found.unmatched_defects:
        return "look for a missed lesion, microvascular disease or an artefact in the unmatched defect"
    if not opened.found.stenoses:
        return "check both walls in the CT slice before calling the heart normal"
    return "check both walls in the CT slice, then read the lesions"


def segment_name(number: int) -> str:
    if number == 17:
        return "17 apex"
    if number > 12:
        return f"{number} apical {_APICAL[number - 13]}"
    return f"{number} {'basal' if number <= 6 else 'mid'} {_NAMES[(number - 1) % 6]}"


def segment_lines(opened: OpenedCmr, number: int) -> tuple[str, ...]:
    """All that is known of a segment, one thing a line."""
    one = opened.found.segments.get(number)
    if one is None:
        return (segment_name(number), "not in the result")
    share = opened.share(number)
    lines = [segment_name(number)]
    if one.relative_upslope is None:
        lines.append("not seen by any slice")
    else:
        error = f" \u00b1 {one.sigma:.3f}" if one.sigma is not None else ""
        of = f"{100 * share:.0f} % of remote; " if share is not None else ""
        lines.append(f"upslope {of}{one.relative_upslope:.3f}{error} of the LV pool's")
        if one.endo is not None and one.epi is not None:
            lines.append(f"inner half {one.endo:.3f}, outer half {one.epi:.3f}")
        if one.reserve is not None:
            lines.append(f"stress over rest {one.reserve:.2f}")
        lines += _flow_lines(one)
    if one.territory is None:
        lines.append(f"AHA default {one.aha_default}")
    else:
        fed = f" (nearest to {100 * one.territory_share:.0f} %)" if one.territory_share is not None else ""
        other = "" if one.territory == one.aha_default else f"; AHA default {one.aha_default}"
        lines.append(f"{_feeders(one)}{fed}{other}")
    return tuple(lines)


def _flow_lines(one: SegmentFound) -> list[str]:
    if one.stress_mbf is None:
        return []
    left = f" (fit leaves {100 * one.stress_mbf_residual:.0f} %)" if one.stress_mbf_residual is not None else ""
    rest = f", rest {one.rest_mbf:.1f}" if one.rest_mbf is not None else ""
    return [f"blood flow {one.stress_mbf:.1f}{rest} ml/min/g{left}"]


def _feeders(one: SegmentFound) -> str:
    """The vessel, or both where none is sure enough."""
    if one.territory_chance is None:
        return f"fed by {one.territory}"
    first, second = sorted(one.territory_chance.items(), key=lambda pair: -pair[1])[:2]
    if one.territory_shared:
        return f"shared: {first[0]} {100 * first[1]:.0f} %, {second[0]} {100 * second[1]:.0f} %"
    return f"fed by {first[0]}, chance {100 * first[1]:.0f} %"


def _ordered(flags: Sequence[str]) -> list[str]:
    order = list(_FLAGS)
    return sorted(flags, key=lambda flag: order.index(flag) if flag in order else len(order))
