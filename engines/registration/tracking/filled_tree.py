"""Which of a model's trees the picture shows filled: one injection seldom fills them all."""

from __future__ import annotations

from collections.abc import Sequence

from engines.registration.alignment.agreement import agreement
from engines.registration.features.image_features import PreparedView
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState

MODEL_POINTS = 240
_LOOKED_AT_EVERY = 10  # frames: two thirds of a second, in which no other vessel is injected
_FALLEN = 0.75  # of the agreement at the last choice; below it something else fills


def filled_tree(state: RigidState, model: PreparedModel, views: Sequence[PreparedView]) -> PreparedModel:
    """The tree that the views show filled (left or right coronary, or the whole), thinned for speed."""
    return _best(state, _thinned_trees(model), views)[0]


class FollowedModel:
    """A model that is tracked from frame to frame: its trees thinned once, the filled one chosen every tenth frame.

    What it remembers costs at most a worse choice for some frames; a new one chooses at its first frame.

    Args:
        prepared: the whole model.
    """

    def __init__(self, prepared: PreparedModel) -> None:
        self.prepared = prepared
        self._trees = _thinned_trees(prepared)
        self._chosen: PreparedModel | None = None
        self._score = 0.0
        self._frames_left = 0
        self._view: tuple[float, ...] = ()

    def filled(self, state: RigidState, view: PreparedView) -> PreparedModel:
        """The tree to match with this view, chosen anew after a turn of the C-arm and every tenth frame."""
        if len(self._trees) == 1:
            return self._trees[0]
        turned = tuple(view.camera_from_isocentre.ravel()) != self._view
        if self._chosen is None or turned or self._frames_left <= 0:
            self._chosen, self._score = _best(state, self._trees, [view])
            self._frames_left, self._view = _LOOKED_AT_EVERY, tuple(view.camera_from_isocentre.ravel())
        self._frames_left -= 1
        return self._chosen

    def fitted(self, score: float) -> None:
        """What the tracked pose agrees by now (`Agreement.score`); a fall asks for a new choice with the next frame."""
        if score < _FALLEN * self._score:
            self._frames_left = 0


def _thinned_trees(model: PreparedModel) -> list[PreparedModel]:
    return [tree.thinned(MODEL_POINTS) for tree in model.systems()]


def _best(
    state: RigidState, trees: Sequence[PreparedModel], views: Sequence[PreparedView]
) -> tuple[PreparedModel, float]:
    scores = [agreement(state, tree, views).score for tree in trees] if len(trees) > 1 else [0.0]
    best = max(range(len(trees)), key=scores.__getitem__)
    return trees[best], scores[best]
