"""What was done to a model, one step after another; each can be taken back and done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Integer

from calibration.errors import InputError
from engines.anatomy.correcting.applying import edited
from engines.anatomy.correcting.edits import Edit
from engines.anatomy.vessel_model import CenterlineTree, CtVolume, SurfaceMesh, VesselModel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rest:
    """All of a model but its voxels, which are kept as differences: a head's are 80 MB."""

    names: Mapping[int, str]
    centerlines: CenterlineTree | None
    surface: SurfaceMesh | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One edit that was done, with what takes it back."""

    edit: Edit
    words: str
    places: Integer[np.ndarray, " n"]
    was: Integer[np.ndarray, " n"]
    became: Integer[np.ndarray, " n"]
    before: _Rest
    after: _Rest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """A model with the steps that led to it; a value: doing and undoing give another history."""

    model: VesselModel
    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        return tuple(step.edit for step in self.done)

    def did(self, edit: Edit, ct: Callable[[], CtVolume | None]) -> History:
        """Do one edit more; what was taken back before can no longer be done again.

        Raises:
            InputError: in one line why it cannot be done.
        """
        found = edited(self.model, edit, ct)
        places = was = became = np.empty(0, dtype=np.int64)
        if self.model.labels is not None and found.model.labels is not None:
            old, new = self.model.labels.labels.ravel(), found.model.labels.labels.ravel()
            places = np.flatnonzero(old != new)
            was, became = np.asarray(old[places]), np.asarray(new[places])
        step = Step(edit=edit, words=found.words, places=places, was=was, became=became, before=_rest(self.model),
                    after=_rest(found.model))  # fmt: skip
        return History(model=found.model, done=(*self.done, step))

    def undo(self) -> History:
        """Raises InputError where nothing was done."""
        if not self.done:
            raise InputError("nothing to take back")
        step = self.done[-1]
        model = _patched(self.model, step.places, step.was, step.before)
        return History(model=model, done=self.done[:-1], undone=(*self.undone, step))

    def redo(self) -> History:
        """Raises InputError where nothing was taken back."""
        if not self.undone:
            raise InputError("nothing to do again")
        step = self.undone[-1]
        model = _patched(self.model, step.places, step.became, step.after)
        return History(model=model, done=(*self.done, step), undone=self.undone[:-1])


def _rest(model: VesselModel) -> _Rest:
    names = dict(model.labels.names) if model.labels is not None else {}
    return _Rest(names=names, centerlines=model.centerlines, surface=model.surface)


def _patched(
    model: VesselModel, places: Integer[np.ndarray, " n"], values: Integer[np.ndarray, " n"], rest: _Rest
) -> VesselModel:
    labels = model.labels
    if labels is not None:
        voxels = labels.labels
        if len(places):
            voxels = np.array(labels.labels, order="C")
            voxels.reshape(-1)[places] = values
        labels = replace(labels, labels=voxels, names=dict(rest.names))
    return VesselModel(labels=labels, centerlines=rest.centerlines, surface=rest.surface)
