"""Add the pose network's answers to the starts of a cold start; they never replace the other starts."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from calibration.errors import InputError
from engines.registration.alignment.cold_start import Proposer
from engines.registration.features.prepared_model import PreparedModel
from engines.registration.features.projected_model import RigidState
from engines.registration.networks.pose_list import shipped_weights
from engines.registration.networks.pose_proposals import Answers, load_answers, proposed_poses
from engines.registration.view import RegistrationView

_ROUNDS = 3


def network_proposer(views: Sequence[RegistrationView], model: PreparedModel) -> Proposer | None:
    """A function that applies the network to the first view; None if its weights are not installed."""
    answers = _shipped_network()
    if answers is None:
        return None

    def propose(begins: Sequence[RigidState]) -> list[RigidState]:
        poses = [state.pose(model) for state in begins]
        try:
            found = proposed_poses(answers, views[0], model.model, poses, rounds=_ROUNDS)
        except InputError:
            return []  # almost no vessel on the small picture: leave it to the other starts
        return [
            RigidState.of(pose, model, len(views)) for pose, asked in found if asked and np.isfinite(pose.matrix).all()
        ]

    return propose


@functools.cache
def _shipped_network() -> Answers | None:
    path = shipped_weights("pose").with_suffix(".onnx")
    return load_answers(path) if path.is_file() else None
