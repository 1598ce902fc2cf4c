"""Non-rigid alignment of a coronary tree to one frame, always after its rigid pose was found.

Only an accepted pose is deformed, and its confidence is judged before: a deformation must not make a wrong pose look
right. The deformation is kept only if it brings the tree nearer to vessels to which it was not fitted; otherwise the
overlay stays rigid.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from engines.anatomy.vessel_model import VesselModel
from engines.registration.features.image_features import PreparedView, prepare_view
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.motion.deform_basis import Deformation, MotionBasis
from engines.registration.motion.deform_fit import DeformScene, fit
from engines.registration.motion.deform_gate import held_out, why_unsafe
from engines.registration.registration import Registration, Stage
from engines.registration.tracking.filled_tree import filled_tree
from engines.registration.view import RegistrationView

_COLD_SCALES_MM = (4.0, 2.0, 1.0)
_WARM_SCALES_MM = (2.0, 1.0)
_LAST_SCALES_MM = (1.0, 1.0)
_IMAGE_POINTS = 320
# Weight of the last frame's motion as the expected motion, relative to the modes' own spread.
_TRUST = 1.0
_SAME_VIEW = 0.1  # largest change of the axes' components; a C-arm turned further shows other components of the motion
_MIN_GAIN = 0.04  # least share of the held-out distance that must be removed to begin a deformation
_MIN_GAIN_KEPT = 0.02  # to continue it; lower, because an overlay that alternates between both is worse than either


def with_motion(found: Registration, view: RegistrationView, model: VesselModel) -> Registration:
    """`deformed` for a single picture; prepares everything for this picture alone."""
    began = time.perf_counter()
    prepared = PreparedModel.of(model, branch_classes=view.branch_classes)
    ready, basis = prepare_view(view, edges=prepared.has_thick), MotionBasis.of(prepared)
    preparing_ms = 1e3 * (time.perf_counter() - began)
    moved = deformed(found, ready, prepared, basis)
    return replace(moved, elapsed_ms=moved.elapsed_ms + preparing_ms)


def deformed(
    found: Registration,
    view: PreparedView,
    model: PreparedModel,
    basis: MotionBasis,
    *,
    last: Deformation | None = None,
    filled: PreparedModel | None = None,
) -> Registration:
    """The registration with this frame's motion added; pose, status and confidence stay unchanged.

    Args:
        found: pose on this very view; anything but an accepted one comes back undeformed.
        last: motion of the frame before, in the same view.
        filled: the tree that the view shows filled, where it is known.
    """
    if found.status != "accepted":
        return replace(found, deformation=None)
    began = time.perf_counter()
    state = RigidState.of(found.isocentre_from_lps, model)
    deformation, remark = deform(state, model, basis, view.thinned(_IMAGE_POINTS), last=last, filled=filled)
    gain = 0.0 if deformation is None else deformation.gain
    stage = Stage(name="deform", similarity=gain, elapsed_ms=1e3 * (time.perf_counter() - began))
    return replace(
        found,
        deformation=deformation,
        reasons=(*found.reasons, remark),
        stages=(*found.stages, stage),
        elapsed_ms=found.elapsed_ms + stage.elapsed_ms,
    )


def deform(
    state: RigidState,
    model: PreparedModel,
    basis: MotionBasis,
    view: PreparedView,
    *,
    last: Deformation | None = None,
    filled: PreparedModel | None = None,
) -> tuple[Deformation | None, str]:
    """The motion that this view shows beyond the pose `state`, or None; and one line that says which and why."""
    filled = filled or filled_tree(state, model, [view])
    scene = DeformScene.of(state, filled, basis, view)
    if scene is None:
        return None, "shown rigid: no vessels to fit a motion to"
    axes = view.camera_from_isocentre[:2, :3] @ state.rotation
    if last is not None and not np.allclose(last.axes_lps, axes, atol=_SAME_VIEW):
        last = None
    expected = np.zeros((basis.modes.shape[1], 2)) if last is None else last.amplitudes
    trust, scales = (0.0, _COLD_SCALES_MM) if last is None else (_TRUST, _WARM_SCALES_MM)
    judged = held_out(scene, expected, trust, scales)
    gain = judged.gain
    if gain < (_MIN_GAIN if last is None else _MIN_GAIN_KEPT):
        return None, f"shown rigid: a motion brings held-out vessels {max(100 * gain, 0):.0f} % nearer, too little"
    amplitudes = fit(scene, judged.amplitudes, expected, trust, _LAST_SCALES_MM)
    unsafe = why_unsafe(scene, amplitudes)
    if unsafe:
        return None, f"shown rigid: {unsafe}"
    found = Deformation(
        amplitudes=amplitudes,
        knots_mm=basis.knots_mm,
        weights_mm=basis.modes @ amplitudes,
        axes_lps=axes,
        mean_mm=float(np.linalg.norm(scene.motion_mm(amplitudes), axis=1).mean()),
        gain=gain,
    )
    remark = f"motion-compensated by {found.mean_mm:.1f} mm on average: held-out vessels {100 * gain:.0f} % nearer"
    return found, remark
