"""Registration of one case's model in the engine: cold starts, warm steps, motion."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from calibration.errors import InputError
from engines.anatomy.vessel_model import VesselModel
from engines.registration.engine import register
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.filling.filled_step import FilledTracker
from engines.registration.filling.vessel_cloud import vessel_cloud
from engines.registration.initial_pose import InitialPose, radiological_start, start_near
from engines.registration.motion.deform import deformed
from engines.registration.motion.deform_basis import MotionBasis
from engines.registration.options import RegistrationOptions
from engines.registration.progress import Between, go_on
from engines.registration.registration import Registration
from engines.registration.tracking.filled_track import track_filled
from engines.registration.tracking.filled_tree import FollowedModel
from engines.registration.tracking.likeliest_places import likeliest_places
from engines.registration.tracking.track import prepare_to_track, track
from engines.registration.view import RegistrationView
from guidance_app.live.engine.motion_pace import MotionPace
from guidance_app.live.engine.rehearsal import Rehearsed
from guidance_app.live.engine.step.judge import ColdStart, ReadyView

# What views ask for, see `view_of_frame`.
_BRANCH_CLASSES: tuple[tuple[str, ...], ...] = ((), ("aorta", "artery"))
_WITH_VEINS = ("aorta", "artery", "vein")


class CaseRegistrar:
    """Registers one case's model; the model is prepared once for each set of vessel classes.

    Args:
        renders: let rendering judge cold starts where the frame shows what contrast darkened; of no use on a beating
            heart, which has moved since the frames without contrast.
        deforms: follow the motion that no rigid pose describes, frame by frame; of use on a beating heart alone.
    """

    def __init__(
        self, case_id: str, model: VesselModel, *, inference: str, renders: bool = True, deforms: bool = False
    ) -> None:
        self._case_id = case_id
        self._model = model
        self._inference = inference
        self._followed: dict[tuple[str, ...], FollowedModel] = {}
        self._trackers: dict[tuple[str, ...], FilledTracker | None] = {}
        self._pace = MotionPace() if deforms else None
        self._options = RegistrationOptions(judge_by_rendering=renders)
        self._bases: dict[tuple[str, ...], MotionBasis] = {}
        self._rehearsed: Rehearsed | None = None

    def warm_up(self, rehearsed: Rehearsed) -> None:
        """One warm step a set of classes, so that the first live frame does not pay for what is made only once.

        Another process waits for this one: what only a search needs is left to `rehearse`.
        """
        self._rehearsed = rehearsed
        for classes in (*_BRANCH_CLASSES, _WITH_VEINS) if has_veins(self._model) else _BRANCH_CLASSES:
            view = replace(rehearsed.view, branch_classes=classes)
            with contextlib.suppress(InputError):  # this model has no such branches
                self._warm_step(view, rehearsed.found)
                if self._options.judge_by_rendering:
                    self._tracker_for(view)

    def rehearse(self) -> None:
        """Make what only a search from scratch needs: the pose network, and the cloud that renderings are made of."""
        if self._rehearsed is None:
            return
        from engines.registration.networks.network_proposal import network_proposer

        prepared = self._model_for(self._rehearsed.view).prepared
        if self._options.judge_by_rendering:
            vessel_cloud(self._model)
        propose = network_proposer([self._rehearsed.view], prepared)
        if propose is not None:
            propose([RigidState.of(self._rehearsed.found.isocentre_from_lps, prepared)])

    def register(self, request: ColdStart, *, between: Between = go_on) -> Registration:
        """Search near the last pose. Without one, or if that fails, start from the C-arm's header alone.

        Args:
            between: see `engines.registration.engine.register`.
        """
        view = request.view
        prepared = self._model_for(view).prepared
        if request.previous is not None:
            near = start_near(request.previous.isocentre_from_lps)
            found = self._searched(view, prepared, near, between)
            if found.status != "rejected":
                return found
        return self._searched(view, prepared, radiological_start(), between)

    def _searched(
        self, view: RegistrationView, prepared: PreparedModel, init: InitialPose, between: Between
    ) -> Registration:
        return register(
            [view], self._model, case_id=self._case_id, init=init, options=self._options, prepared=prepared,
            between=between,
        )  # fmt: skip

    def prepare(self, view: RegistrationView) -> ReadyView:
        """Raises InputError where the model has no branches of the classes that the view shows."""
        return ReadyView(view=view, features=prepare_to_track(view, self._model_for(view).prepared))

    def likeliest(self, ready: ReadyView, places: tuple[Registration, ...]) -> tuple[Registration, ...]:
        if ready.features is None:
            return places
        return likeliest_places(places, ready.features, self._model_for(ready.view).prepared)

    def track(self, ready: ReadyView, previous: Registration) -> Registration:
        """By centerlines, which are quick and exact to half a millimetre; where they doubt, rendering judges."""
        view, followed = ready.view, self._model_for(ready.view)
        found = track(view, followed, previous, ready=ready.features)
        if found.status == "accepted" or not self._options.judge_by_rendering:
            return found
        if ready.darkening is None or ready.features is None or (tracker := self._tracker_for(view)) is None:
            return found
        shown = replace(view, contrast=ready.darkening())
        return track_filled(shown, tracker, followed.prepared, previous, ready=ready.features) or found

    def move(self, found: Registration, ready: ReadyView) -> Registration:
        """Where no motion is followed, the very same registration; on frames that the pace leaves out, a rigid one."""
        if self._pace is None or ready.features is None:
            return found
        if found.status == "accepted" and not self._pace.due():
            return replace(found, deformation=None)
        classes, followed = ready.view.branch_classes, self._model_for(ready.view)
        prepared = followed.prepared
        if classes not in self._bases:
            self._bases[classes] = MotionBasis.of(prepared)
        began = time.perf_counter()
        filled = followed.filled(RigidState.of(found.isocentre_from_lps, prepared), ready.features)
        # A warm step hands on the motion of the frame before.
        moved = deformed(found, ready.features, prepared, self._bases[classes], last=found.deformation, filled=filled)
        if found.status == "accepted":
            self._pace.fitted(1e3 * (time.perf_counter() - began), shown=moved.deformation is not None)
        return moved

    def _warm_step(self, view: RegistrationView, previous: Registration) -> None:
        ready = self.prepare(view)
        self.move(self.track(ready, previous), ready)

    def _tracker_for(self, view: RegistrationView) -> FilledTracker | None:
        if view.branch_classes not in self._trackers:
            self._trackers[view.branch_classes] = FilledTracker.of(self._model_for(view).prepared)
        return self._trackers[view.branch_classes]

    def _model_for(self, view: RegistrationView) -> FollowedModel:
        followed = self._followed.get(view.branch_classes)
        if followed is None:
            followed = FollowedModel(PreparedModel.of(self._model, branch_classes=view.branch_classes))
            self._followed[view.branch_classes] = followed
        return followed


def has_veins(model: VesselModel) -> bool:
    return model.centerlines is not None and any(b.vessel_class == "vein" for b in model.centerlines.branches)
