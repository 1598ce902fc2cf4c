"""The one picture of a case: verdicts, bull's eyes with territories, walls of CT and CMR on each other, curves."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from engines.cmr.fusion_result import AHA_DEFAULT, Fusion
from engines.cmr.perfusion.slice_perfusion import SlicePerfusion
from engines.cmr.results import bulls_eye
from engines.cmr.results.drawing import CMR_LINE, CT_LINE, FAINT, INK, PAPER, SCALE, VESSEL_COLOURS, Canvas
from engines.cmr.results.wall_pictures import cmr_picture, ct_picture

MOST = 1.25  # top of the colour window, as share of remote
_WIDTH, _HEIGHT = 1480, 1088
_EYE = 400
_SLICE = 208
_MOST_SLICES = 3
_NOTICE = "research use only, not a medical device"
_FOUND_IN_CT = "Coronaries found in the CT by the program: a degree is an estimate, a narrowing may be missed."


def fusion_figure(fusion: Fusion, case: str) -> bytes:
    """PNG of the whole page."""
    canvas = Canvas(_WIDTH, _HEIGHT)
    canvas.text(32, 22, "CT coronary angiography and stress-perfusion CMR", size=22, bold=True)
    canvas.text(32, 52, f"{case} · {_NOTICE}" if case else _NOTICE, size=13, colour=FAINT)
    _eyes(canvas, fusion)
    _words(canvas, fusion)
    _slices(canvas, fusion)
    _curves(canvas, fusion, 1010, 640, 430, 300)
    return canvas.png()


def without_case(png: bytes) -> bytes:
    """The same page without the case's name, which may be a patient's."""
    page = Image.open(io.BytesIO(png)).convert("RGB")
    canvas = Canvas(_WIDTH, _HEIGHT)
    scale = page.width / _WIDTH  # the page may have been stored reduced
    canvas.text(32, 52, _NOTICE, size=13, colour=FAINT)
    strip = (
        Image.open(io.BytesIO(canvas.png())).convert("RGB").crop((0, round(50 * scale), page.width, round(74 * scale)))
    )
    page.paste(strip, (0, round(50 * scale)))
    out = io.BytesIO()
    page.save(out, format="PNG")
    return out.getvalue()


def _eyes(canvas: Canvas, fusion: Fusion) -> None:
    values = {k: one.stress.relative_upslope for k, one in fusion.segments.items()}
    frame = fusion.model.frame
    found = fusion.territories
    territory, shared, outlines = None, None, []
    if found is not None:
        level, _, angle = frame.local(found.points_mm)
        degrees = frame.aha_degrees(angle)
        territory = bulls_eye.vessel_table(level, degrees, found.vessel)
        shared = bulls_eye.polar_table(level, degrees, found.shared.astype(np.float64))
        outlines = [bulls_eye.polar_table(level, degrees, lesion.wall.astype(np.float64)) for lesion in fusion.lesions]
    canvas.text(32, 86, "Relative upslope under stress", size=16, bold=True)
    canvas.text(32, 108, "white: AHA segments · black: this patient's territories", size=12, colour=FAINT)
    bulls_eye.draw_perfusion(canvas, 62, 132, _EYE, values, fusion.remote, territory, MOST)
    _directions(canvas, 62, 132)
    bulls_eye.draw_scale(canvas, 62, 556, 230, MOST)
    canvas.text(530, 86, "Coronary territories", size=16, bold=True)
    canvas.text(530, 108, "dashed: AHA default · pale: within 5 mm of a second vessel", size=12, colour=FAINT)
    if found is None or territory is None or shared is None:
        canvas.text(560, 320, "no coronary tree given, none seen in the CT", size=14, colour=FAINT)
        return
    bulls_eye.draw_territories(canvas, 560, 132, _EYE, territory, shared, outlines, AHA_DEFAULT)
    _directions(canvas, 560, 132)
    if fusion.lesions:
        canvas.line(np.array([[560.0, 562.0], [584.0, 562.0]]), (170, 20, 90), 2.5)
        canvas.text(592, 555, "wall beyond a stenosis", size=12, colour=FAINT)


def _directions(canvas: Canvas, x: float, y: float) -> None:
    middle = 0.5 * _EYE
    for words, dx, dy, anchor in (("anterior", middle, -2, "mb"), ("inferior", middle, _EYE + 3, "ma")):
        canvas.text(x + dx, y + dy, words, size=11, colour=FAINT, anchor=anchor)
    canvas.text(x - 4, y + middle, "septal", size=11, colour=FAINT, anchor="rm")
    canvas.text(x + _EYE + 4, y + middle, "lateral", size=11, colour=FAINT, anchor="lm")


def verdict_sentences(fusion: Fusion) -> list[tuple[str, str]]:
    """A sentence a stenosis, with the vessel that colours it."""

    found = []
    words = {"matched": "matched", "unmatched_lesion": "no defect behind it", "shared": "defect in a shared territory"}
    about = "about " if fusion.coronaries == "found_in_ct" else ""
    for index, lesion in enumerate(fusion.lesions):
        assert fusion.tree is not None
        name = fusion.tree[lesion.stenosis.branch].name
        seen = "not seen by any slice" if lesion.of_remote is None else f"upslope {lesion.of_remote:.2f} of remote"
        found.append(
            (
                f"{name} {about}{lesion.stenosis.percent:.0f} %: {lesion.mass_g:.0f} g subtended, {seen}: "
                f"{words[lesion.verdict]}",
                fusion.vessel_of_lesion(index),
            )
        )
    return found


def _words(canvas: Canvas, fusion: Fusion) -> None:
    x, y, width = 1030.0, 86.0, 418.0
    canvas.text(x, y, "Verdicts", size=16, bold=True)
    y += 30
    sentences = verdict_sentences(fusion)
    if not sentences:
        tree = (
            "No stenosis of 40 % or more in the tree."
            if fusion.tree
            else "No coronary tree was given and none is seen in the CT: no verdicts."
        )
        y = canvas.wrapped(x, y, tree, width, size=14) + 4
    for sentence, vessel in sentences[:5]:
        canvas.draw.rectangle(
            (x * SCALE, (y + 2) * SCALE, (x + 6) * SCALE, (y + 17) * SCALE), fill=VESSEL_COLOURS.get(vessel, FAINT)
        )
        y = canvas.wrapped(x + 16, y, sentence, width - 16, size=14) + 7
    for one in fusion.defects[:3]:
        names = ", ".join(str(k) for k in one.segments)
        share = one.mean_upslope / fusion.remote
        words = f"Defect without a stenosis: segments {names}, {one.mass_g:.0f} g, {share:.2f} of remote"
        y = canvas.wrapped(x, y, words, width, size=14) + 7
    if fusion.coronaries == "found_in_ct":
        unseen = f" Not seen, course assumed: {', '.join(fusion.assumed)}." if fusion.assumed else ""
        y = canvas.wrapped(x, y, _FOUND_IN_CT + unseen, width, size=13, colour=FAINT) + 2
    y += 8
    canvas.text(x, y, "Trust", size=16, bold=True)
    y += 28
    if fusion.flags:
        y = canvas.wrapped(
            x, y, "Look before you trust: " + ", ".join(fusion.flags), width, size=13, colour=(170, 20, 90)
        )
    else:
        y = canvas.wrapped(x, y, "No flag was raised.", width, size=13)
    y = canvas.wrapped(
        x,
        y + 4,
        f"Wall Dice in the slices: {fusion.dice_reoriented:.2f} after the rigid move, "
        f"{fusion.dice_registered:.2f} after the elastic step. Remote upslope {fusion.remote:.3f} of the LV pool's.",
        width,
        size=13,
    )
    differ = [k for k, one in fusion.segments.items() if k < 17 and one.territory and one.territory != one.aha_default]
    if fusion.territories is not None:
        words = (
            f"Segments that this tree feeds otherwise than the AHA default: {', '.join(map(str, differ))}."
            if differ
            else "Every segment is fed as the AHA default has it."
        )
        canvas.wrapped(x, y + 4, words, width, size=13)


def _slices(canvas: Canvas, fusion: Fusion) -> None:
    pairs = sorted(zip(fusion.links, fusion.slices, strict=True), key=lambda pair: -pair[0].level)
    if len(pairs) > _MOST_SLICES:
        pairs = [pairs[round(k)] for k in np.linspace(0, len(pairs) - 1, _MOST_SLICES)]
    top = 604.0
    canvas.text(32, top, "Walls at the same level and turn", size=16, bold=True)
    x = 300.0
    for words, colour in (("CT wall", CT_LINE), ("CMR wall, carried over", CMR_LINE)):
        canvas.draw.rectangle((x * SCALE, (top + 3) * SCALE, (x + 26) * SCALE, (top + 16) * SCALE), fill=(60, 60, 60))
        canvas.line(np.array([[x + 3, top + 9.5], [x + 23, top + 9.5]]), colour, 2.0)
        canvas.text(x + 32, top + 1, words, size=12, colour=FAINT)
        x += 60 + canvas.width_of(words, 12)
    for column, (link, part) in enumerate(pairs):
        x = 32 + column * (_SLICE + 8)
        y = top + 26
        ct_picture(canvas, x, y, _SLICE, fusion, link)
        cmr_picture(canvas, x, y + _SLICE + 6, _SLICE, fusion, link, part, overlay=False, most=MOST)
        canvas.text(x + 6, y + 4, f"CT · {100 * link.level:.0f} % from apex", size=11, colour=PAPER)
        canvas.text(x + 6, y + _SLICE + 10, "CMR, first pass", size=11, colour=PAPER)
    x = 32 + len(pairs) * (_SLICE + 8) + 10
    small = 134
    canvas.text(x, top, "Upslope map", size=16, bold=True)
    for row, (link, part) in enumerate(pairs):
        y = top + 26 + row * (small + 10)
        cmr_picture(canvas, x, y, small, fusion, link, part, overlay=True, most=MOST)
    canvas.text(32, _HEIGHT - 22, "Septum left, anterior wall on top, seen from the apex.", size=12, colour=FAINT)


def _curves(canvas: Canvas, fusion: Fusion, x: float, y: float, width: float, height: float) -> None:
    """Pool and wall of one slice: the remote third and the slowest third of its pixels, each by its own baseline."""
    part = _telling_slice(fusion)
    canvas.text(x + 20, y - 36, "Curves", size=16, bold=True)
    times = part.part.times_ms / 1000.0
    order = np.argsort(part.upslope_per_s)
    third = max(len(order) // 3, 1)
    slow, fast = part.curves[order[:third]].mean(axis=0), part.curves[order[-third:]].mean(axis=0)
    pool = part.pool.signal
    left, bottom = x + 20, y + height
    for values, colour, scale in ((pool, INK, pool.max()), (fast, (181, 160, 0), None), (slow, (68, 1, 84), None)):
        top = float(scale) if scale is not None else float(max(fast.max(), slow.max()) * 1.9)
        line = np.stack(
            [
                left + (times - times[0]) / (times[-1] - times[0]) * width,
                bottom - (values - 0.9) / (top - 0.9) * height,
            ],
            axis=1,
        )
        canvas.line(line, colour, 1.8)
    first, last = part.window()
    for frame in (first, min(last, len(times) - 1)):
        at = left + (times[frame] - times[0]) / (times[-1] - times[0]) * width
        canvas.line(np.array([[at, y], [at, bottom]]), (200, 203, 208), 1.0)
    canvas.line(np.array([[left, bottom], [left + width, bottom]]), INK, 1.0)
    for second in range(0, int(times[-1] - times[0]) + 1, 10):
        at = left + second / (times[-1] - times[0]) * width
        canvas.text(at, bottom + 5, f"{second} s", size=11, colour=FAINT, anchor="ma")
    for k in part.motion.excluded:
        at = left + (times[k] - times[0]) / (times[-1] - times[0]) * width
        canvas.text(at, bottom - 8, "×", size=14, colour=(170, 20, 90), anchor="mm")
    y = bottom + 26
    x = left
    for words, colour in (
        ("LV pool", INK),
        ("fastest third of the wall", (181, 160, 0)),
        ("slowest third", (68, 1, 84)),
    ):
        canvas.line(np.array([[x, y + 8], [x + 18, y + 8]]), colour, 2.5)
        canvas.text(x + 24, y, words, size=12)
        x += 44 + canvas.width_of(words, 12)
    canvas.text(
        left,
        y + 20,
        f"Signal over its own baseline (pool up to {pool.max():.1f}); grey: where slopes are taken.",
        size=11,
        colour=FAINT,
    )


def _telling_slice(fusion: Fusion) -> SlicePerfusion:
    """The slice in which fast and slow wall differ most."""
    return max(fusion.slices, key=lambda part: float(np.ptp(np.percentile(part.upslope_per_s, (15, 85)))))
