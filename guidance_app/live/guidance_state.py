"""Whether the registration may be trusted right now: an explicit state machine of pure transitions.

`unregistered` -> (`proposed` or `accepted`) -> `stale` whenever the view changes, and back only through a check on
the new view. While stale, the pose of the patient is kept but must not be drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from calibration.carm import CArmGeometry
from engines.registration.registration import Registration
from guidance_app.live.guidance import GuidanceState
from guidance_app.live.manual_help import keeping_help
from guidance_app.live.reason import ReasonCode

NOT_REGISTERED = "not registered yet: waits for filled vessels, or press G"
_PROPOSED = "registration proposed: check it and accept"
_TAKEN_BACK = "the rejection was taken back: check the registration and accept"
_CAME_BACK = "found before the program ended unexpectedly: check the registration and accept"
_DOUBTED = "not confirmed by the last pictures: check it and accept"
MISSES_BEFORE_STALE = 5  # consecutive filled frames that contradict the pose; one bad segmentation must not hide it
DOUBTS_BEFORE_PROPOSED = 15  # filled frames that neither confirm nor contradict the pose: a second at the usual rate
REST_FRAMES = 8  # after a failed cold start: the bolus moves on, the next picture may show more
# What was nearly sure may be sure on the next picture. That two searches agree is no evidence, and is not used: with
# another patient's model 27 of 87 pairs of neighbouring pictures agreed within 1 mm and 1 degree (own model 53 of 96).
SOON_FRAMES = 2
# Rests are counted in pictures of 15 a second. Only series as slow as those of heads rest for fewer: at 7 a second the
# next search would come too early in the filling, and finds worse poses.
_REST_FRAME_MS, _SLOW_MS = 67.0, 200.0
_NEARLY_SURE = 0.4
SEARCHED_EVERY_S = 0.2  # so often a frame is looked at while a first search runs: nothing can be drawn before it ends
_OUTGROWN = 1.5  # so much more vessel than when a search began makes its picture one of before the bolus
_FULLER = 1.2  # so much more vessel than at the last failure is worth a new attempt at once
REMEMBERED_FRAMES = 4
_SAME_PLACE_MM, _SAME_PLACE_RAD = 2.0, math.radians(3.0)  # what two searches of one picture differ by
MISSES_BEFORE_ANEW = 5  # further ones on a new view before the pose is searched for again


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A registration that a person took away, with the view that it fitted and whether it was ever confirmed."""

    registration: Registration
    pose_geometry: CArmGeometry | None
    checked_geometry: CArmGeometry | None
    unconfirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Weak:
    """What a search found and thought too weak; may be looked at, on its own view, and is never drawn by itself."""

    registration: Registration
    geometry: CArmGeometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything guidance remembers between two frames; small, picklable, and never changed in place.

    Args:
        state: see the module; `reason` says why it is not `accepted`, for the logs, and `why` as a code.
        registration: the pose in use or to be checked, None when there is none.
        checked_geometry: the view on which the registration was last found to fit; drawn nowhere else.
        geometry: the view of the newest frame that had one.
        pose_geometry: the view on which the registration was last found to fit, kept while stale: what the table's
            position is compared with.
        generation: goes up with every change of view or pose from outside the engine; older overlays are not drawn.
        revision: goes up with every change from outside the engine; kept by `CurrentGuidance`.
        unconfirmed: the pose was only proposed, and nobody has accepted it: a check on another view does not either.
        registering: a cold start is running.
        wanted: a cold start is to begin on the next frame that shows enough vessel.
        misses: consecutive filled frames on which the check failed.
        doubts: filled frames since the last that confirmed the pose, on which the check was of two minds.
        by_person: a person accepted the pose on this view, and knows better than doubts do.
        asked: a person asked for that cold start, so it need not wait for the bolus to fill the tree.
        rest_frames: frames to let pass before the next cold start, after one that found nothing.
        tried_share: of the picture that was vessel when the last cold start began.
        vessel_shares: share of the picture that showed vessel, newest last: tells a bolus that is still arriving.
        vouched: whose picture it is was found to be the case's patient, or cannot be told apart; else no pose is
            accepted by itself, only by a person.
        rejected: what a person rejected last, for as long as that can be taken back.
        by_hand: the proposed pose stands as a person placed it, and is not followed.
        before_hand: what that pose took the place of, for as long as it can be taken back.
        weak: what the last search on this view found, where that was too weak to be proposed.
        wire: a person said that a stiff wire or device lies inside, which bends the vessels.
    """

    state: GuidanceState = "unregistered"
    reason: str = NOT_REGISTERED
    why: ReasonCode = "not_registered"
    registration: Registration | None = None
    checked_geometry: CArmGeometry | None = None
    geometry: CArmGeometry | None = None
    pose_geometry: CArmGeometry | None = None
    generation: int = 0
    revision: int = 0
    unconfirmed: bool = False
    registering: bool = False
    wanted: bool = True
    misses: int = 0
    doubts: int = 0
    by_person: bool = False
    asked: bool = False
    rest_frames: int = 0
    tried_share: float = 0.0
    vessel_shares: tuple[float, ...] = ()
    vouched: bool = True
    rejected: Rejected | None = None
    by_hand: bool = False
    before_hand: Rejected | None = None
    weak: Weak | None = None
    wire: bool = False


def started_from(registration: Registration, view: CArmGeometry | None) -> Situation:
    """Begin with a known pose; `view` is the geometry it was found on, None leaves it to be checked first."""
    if view is None:
        return Situation(
            state="stale", reason="the given pose waits for a check on this view", why="given_pose_waits",
            registration=registration, wanted=False,
        )  # fmt: skip
    accepted = registration.status == "accepted"
    return Situation(
        state="accepted" if accepted else "proposed", reason="" if accepted else _PROPOSED,
        why="none" if accepted else "proposed", registration=registration,
        checked_geometry=view, geometry=view, pose_geometry=view, unconfirmed=not accepted, wanted=False,
    )  # fmt: skip


def carried_on(before: Situation) -> Situation:
    """Begin the next run of the same patient: the pose is kept, and only checked on the new view.

    Generation and revision go on, so that what was asked for the run before is told from what is asked for this one.
    """
    fresh = Situation(generation=before.generation + 1, revision=before.revision + 1, wire=before.wire)
    if before.registration is None or before.state not in ("accepted", "proposed", "stale"):
        return fresh
    return replace(
        fresh, state="stale", why="given_pose_waits", registration=before.registration,
        reason="the pose of the run before waits for a check on this view", pose_geometry=before.pose_geometry,
        unconfirmed=before.unconfirmed or before.state == "proposed", wanted=False,
    )  # fmt: skip


def came_back(registration: Registration, view: CArmGeometry | None, *, same_picture: bool) -> Situation:
    """Begin with the pose that was left when the program ended; whatever it was then, a person decides anew.

    Args:
        view: on which it was last found to fit; without one it waits for a check.
        same_picture: of a recording, which has not changed meanwhile: the pose is drawn as a proposal at once, even
            where this very frame shows no vessel. A patient under a live source may have moved.
    """
    now = replace(started_from(replace(registration, status="caution"), view), unconfirmed=True)
    return replace(now, reason=_CAME_BACK, why="came_back") if view is not None and same_picture else now


def saw_geometry(now: Situation, geometry: CArmGeometry | None) -> Situation:
    """A frame arrived. A missing geometry hides that frame's overlay (see `overlay_rule`) but moves nothing."""
    if geometry is None:
        return now
    if now.geometry is not None and geometry.continues(now.geometry):
        known = now.geometry.with_table_of(geometry)
        return now if known is now.geometry or known == now.geometry else replace(now, geometry=known)
    moved = replace(
        now, geometry=geometry, generation=now.generation + 1, registering=False, wanted=now.wanted or now.registering,
        rest_frames=0, tried_share=0.0, vessel_shares=(), doubts=0, by_person=False, by_hand=False, before_hand=None,
        weak=None,
    )  # fmt: skip
    if now.state in ("accepted", "proposed", "stale"):
        return replace(
            moved,
            state="stale",
            reason="the view changed: the pose waits for a check",
            why="view_changed",
            checked_geometry=None,
            misses=0,
        )
    return moved


def saw_patient(now: Situation, *, vouched: bool) -> Situation:
    """The picture's header said whose it is. What was accepted for one patient is a proposal for another."""
    if vouched and now.vouched:
        return now
    changed = replace(now, vouched=vouched, generation=now.generation + 1, registering=False, by_person=False)
    changed = replace(changed, wanted=now.wanted or now.registering)
    if vouched or now.registration is None or now.state == "rejected":
        return changed
    state: GuidanceState = "proposed" if now.state == "accepted" else now.state
    why, reason = ("proposed", _PROPOSED) if state == "proposed" else (now.why, now.reason)
    return replace(changed, state=state, why=why, reason=reason, unconfirmed=True)


def saw_vessel(now: Situation, share: float, frame_time_ms: float | None = None) -> Situation:
    """The engine measured how much of a picture shows vessel.

    Args:
        frame_time_ms: of the series; in a slow one the bolus moves on by more from picture to picture, so rests are
            shorter in pictures.
    """
    time_ms = frame_time_ms or 0.0
    passed = round(time_ms / _REST_FRAME_MS) if time_ms >= _SLOW_MS else 1
    shares = (*now.vessel_shares, share)[-REMEMBERED_FRAMES:]
    fuller = share > _FULLER * now.tried_share
    return replace(now, vessel_shares=shares, rest_frames=0 if fuller else max(0, now.rest_frames - passed))


def outgrown(now: Situation) -> bool:
    """Whether so much more vessel has come since the running search began that its picture was hardly filled.

    In pictures before the bolus a network takes bones for vessels. Nothing is on the screen meanwhile, and what such a
    search would find is not worth waiting for.
    """
    grown = bool(now.vessel_shares) and now.vessel_shares[-1] > _OUTGROWN * now.tried_share
    return searches_first(now) and grown


def searches_first(now: Situation) -> bool:
    """A search runs, and there is no pose that could be drawn or followed meanwhile."""
    return now.registering and now.registration is None


def registration_started(now: Situation) -> Situation:
    shown = now.state in ("accepted", "proposed")
    reason, why = (now.reason, now.why) if shown else ("registering", "registering")
    share = now.vessel_shares[-1] if now.vessel_shares else 0.0
    return replace(now, registering=True, wanted=False, asked=False, reason=reason, why=why, tried_share=share)


def registration_dropped(now: Situation) -> Situation:
    """The running search is not waited for any longer; what it finds belongs to an older generation."""
    return replace(now, registering=False, wanted=True, rest_frames=0, generation=now.generation + 1)


def registration_finished(now: Situation, found: Registration, geometry: CArmGeometry, generation: int) -> Situation:
    """A cold start came back, computed on `geometry` when the situation was at `generation`."""
    if generation != now.generation or not now.registering:
        return now
    if now.geometry is None or not now.geometry.continues(geometry):
        return replace(now, registering=False, wanted=True, generation=now.generation + 1)
    if found.status == "rejected":
        return _not_found(now, found, geometry)
    if found.status == "caution" and (_surer_already(now, found) or _only_doubted(now, found, geometry)):
        return replace(now, registering=False, wanted=True, rest_frames=_rest_after(found))
    accepted = found.status == "accepted" and now.vouched
    return replace(
        now,
        state="accepted" if accepted else "proposed",
        reason="" if accepted else _PROPOSED,
        why="none" if accepted else "proposed",
        registration=replace(keeping_help(found, now.registration), generation=now.generation + 1),
        checked_geometry=geometry,
        pose_geometry=geometry,
        generation=now.generation + 1,
        unconfirmed=not accepted,
        registering=False,
        wanted=not accepted,
        rest_frames=0 if accepted else _rest_after(found),
        misses=0,
        doubts=0,
        by_person=False,
        by_hand=False,
        before_hand=None,
        weak=None,
    )


def _rest_after(found: Registration) -> int:
    return SOON_FRAMES if found.confidence >= _NEARLY_SURE else REST_FRAMES


def _surer_already(now: Situation, found: Registration) -> bool:
    """A second guess on a fuller picture replaces a proposed pose only if it is the surer one."""
    return now.state == "proposed" and now.registration is not None and found.confidence <= now.registration.confidence


def _only_doubted(now: Situation, found: Registration, geometry: CArmGeometry) -> bool:
    """An accepted pose that an unsure search finds again keeps its right: the next picture may confirm it.

    Depth does not count: one view hardly tells it.
    """
    if now.state != "proposed" or now.unconfirmed or now.registration is None:
        return False
    arm = geometry.camera_from_isocentre()
    before, after = (arm @ pose for pose in (now.registration.isocentre_from_lps, found.isocentre_from_lps))
    middle_mm = now.registration.isocentre_from_lps.inverse().translation_mm[None]  # what lies at the isocentre
    moved_mm = (after.apply(middle_mm) - before.apply(middle_mm))[0, :2]
    turned = 0.5 * (np.trace(after.rotation @ before.rotation.T) - 1.0)
    return bool(np.hypot(*moved_mm) <= _SAME_PLACE_MM and turned >= math.cos(_SAME_PLACE_RAD))


def _not_found(now: Situation, found: Registration, geometry: CArmGeometry) -> Situation:
    """A pose that is on the screen stays there; a pose that waits for a check still waits."""
    wanted = now.state != "accepted" and not now.by_hand
    weak = Weak(registration=found, geometry=geometry)
    tried = replace(now, registering=False, wanted=wanted, rest_frames=_rest_after(found), weak=weak)
    if now.state in ("accepted", "proposed"):
        return tried
    reason = "registration not found: " + ("; ".join(found.reasons) or "it does not fit the picture")
    return replace(tried, reason=reason, why="not_found", generation=now.generation + 1)


def registration_failed(now: Situation, why: str, generation: int) -> Situation:
    """A cold start ended without an answer (an error, or its process died)."""
    if generation != now.generation or not now.registering:
        return now
    tried = replace(now, registering=False, wanted=True, rest_frames=REST_FRAMES)
    if now.state in ("accepted", "proposed"):
        return tried
    return replace(tried, reason=f"registration failed: {why}", why="failed")


def checked(now: Situation, tracked: Registration, geometry: CArmGeometry) -> Situation:
    """A warm step on a frame that shows vessel either confirms the pose on this view, or counts against it."""
    if now.by_hand or now.registration is None or now.state not in ("accepted", "proposed", "stale"):
        return now
    if now.geometry is None or not geometry.continues(now.geometry):
        return now
    if tracked.status == "accepted":
        confirmed: GuidanceState = "proposed" if now.unconfirmed else "accepted"
        return replace(
            now, state=confirmed, reason=_PROPOSED if now.unconfirmed else "",
            why="proposed" if now.unconfirmed else "none", misses=0, doubts=0,
            registration=replace(keeping_help(tracked, now.registration), generation=now.generation),
            checked_geometry=geometry, pose_geometry=geometry,
        )  # fmt: skip
    if tracked.status == "caution" and now.state != "stale":
        return _doubted(now)
    return _missed(now)


def anatomy_left(now: Situation) -> Situation:
    """The bones are no longer where they were, and no header says why: what was true of the old place is not drawn."""
    if now.state not in ("accepted", "proposed"):
        return now
    return replace(
        now, state="stale", reason="the picture has moved and no header says so: the pose waits for a check",
        why="moved_unsaid",
        checked_geometry=None, misses=0, doubts=0, by_person=False, wanted=not now.registering, rest_frames=0,
    )  # fmt: skip


def person_accepts(now: Situation) -> Situation:
    if now.state != "proposed" or now.checked_geometry is None:
        return now
    # A better guess that is still being computed would undo what the person has just decided.
    return replace(
        now, state="accepted", reason="", why="none", generation=now.generation + 1, unconfirmed=False,
        registering=False, wanted=False, doubts=0, by_person=True, by_hand=False, before_hand=None,
    )  # fmt: skip


def person_rejects(now: Situation) -> Situation:
    return replace(
        now, state="rejected", reason="registration rejected: ask for a new one", why="rejected", registration=None,
        rejected=taken_away(now) or now.rejected, by_hand=False, before_hand=None,
        checked_geometry=None, generation=now.generation + 1, unconfirmed=False, registering=False, wanted=False,
        misses=0, doubts=0, by_person=False,
    )  # fmt: skip


def taken_away(now: Situation) -> Rejected | None:
    """What there is to take away; None without a registration."""
    if now.registration is None:
        return None
    return Rejected(
        registration=now.registration, pose_geometry=now.pose_geometry, checked_geometry=now.checked_geometry,
        unconfirmed=now.unconfirmed,
    )  # fmt: skip


def person_takes_back(now: Situation) -> Situation:
    """Undo a rejection. The pose comes back as a proposal: the patient may have moved since.

    On another view, or where it waited for a check already, it waits for one.
    """
    taken = now.rejected
    if now.state != "rejected" or taken is None:
        return now
    view = taken.checked_geometry
    here = view is not None and now.geometry is not None and view.same_view(now.geometry)
    return replace(
        now, state="proposed" if here else "stale", reason=_TAKEN_BACK, why="taken_back", rejected=None,
        registration=taken.registration, pose_geometry=taken.pose_geometry, unconfirmed=taken.unconfirmed,
        checked_geometry=view if here else None, generation=now.generation + 1, misses=0, doubts=0, before_hand=None,
    )  # fmt: skip


def person_asks(now: Situation) -> Situation:
    """Search anew; the pose in use stays on the screen until the new one is there."""
    state: GuidanceState = "unregistered" if now.state == "rejected" else now.state
    reason, why = now.reason, now.why
    if now.registration is None:
        reason, why = "waiting for a frame that shows enough vessel", "waits_for_vessel"
    return replace(
        now, state=state, reason=reason, why=why, rejected=None, wanted=True, asked=True,
        registering=False, rest_frames=0, misses=0, generation=now.generation + 1,
    )  # fmt: skip


def engine_lost(now: Situation) -> Situation:
    """The engine process died: what it was computing is gone. The pose is kept here, and may still be drawn."""
    return replace(
        now, generation=now.generation + 1, registering=False, wanted=now.wanted or now.registering,
        reason=NOT_REGISTERED if now.state == "unregistered" else now.reason,
        why="not_registered" if now.state == "unregistered" else now.why,
    )  # fmt: skip


def _doubted(now: Situation) -> Situation:
    """A pose that no picture confirms any more becomes a proposal, until a picture or a person confirms it."""
    if now.state != "accepted" or now.by_person:
        return now
    if now.doubts + 1 < DOUBTS_BEFORE_PROPOSED:
        return replace(now, doubts=now.doubts + 1)
    return replace(now, state="proposed", reason=_DOUBTED, why="doubted", doubts=0, wanted=not now.registering)


def _missed(now: Situation) -> Situation:
    misses = now.misses + 1
    if now.state == "stale":
        ask = misses >= MISSES_BEFORE_ANEW and not now.registering
        now = replace(now, misses=0 if ask else misses, wanted=now.wanted or ask)
        if not ask:
            return now
        return replace(now, reason="the pose does not fit this view: registering anew", why="does_not_fit_view")
    if misses < MISSES_BEFORE_STALE:
        return replace(now, misses=misses)
    return replace(
        now, state="stale", reason="the vessels no longer fit the pose (has the patient moved?)",
        why="no_longer_fits",
        checked_geometry=None, misses=0, doubts=0, by_person=False, wanted=not now.registering, rest_frames=0,
    )  # fmt: skip
