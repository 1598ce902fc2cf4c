"""What CCTA-IVUS registration learns: written whole, read again, and better than nothing."""

import json

import numpy as np
import pytest
import torch

from engines.ivus.features.landmark_maps import LandmarkMaps
from engines.ivus.features.landmark_weights import load_landmark_network
from engines.ivus.features.radial_profiles import COUNT, EXTRA, landmark_probabilities
from engines.ivus.search.evidence import ANGULAR, PLAIN, frame_evidence
from engines.networks.ivus_network import PolarLandmarkNet
from engines.training.ivus.evidence_fit import TruePair, fit_evidence
from engines.training.ivus.landmark_fit import LabelledPullback, LandmarkRecipe, train_landmarks
from engines.training.ivus.recipe import IvusRecipe, train_ivus


def blob_maps(count, spacing_mm, centres, seed):
    """Maps with side branches at (place, angle bin)."""
    rng = np.random.default_rng(seed)
    place = spacing_mm * np.arange(count)
    turn = np.arange(48)
    branch = np.zeros((count, 48))
    for at_mm, angle in centres:
        about = (turn - angle + 24) % 48 - 24
        branch += np.exp(-0.5 * (((place - at_mm) / 0.8)[:, None] ** 2 + (about / 2.0)[None, :] ** 2))
    nothing = np.zeros((count, 2))
    return LandmarkMaps(
        place_mm=place, branch=branch, calcium=np.zeros_like(branch), valid=np.ones_like(branch),
        radius_mm=1.5 + 0.02 * rng.standard_normal(branch.shape), wall_mm=np.zeros_like(branch),
        centre_mm=nothing, pulled_mm=nothing,
    )  # fmt: skip


def test_evidence_learns_that_branches_agree():
    centres = [(5.0, 10), (11.0, 30), (18.0, 5)]
    course = blob_maps(80, 0.3, centres, 0)
    frames = blob_maps(50, 0.43, centres, 1)
    place = np.rint(frames.place_mm / 0.3).astype(int)
    pair = TruePair(frames=frames, course=course, place=place, turn=np.zeros(50, dtype=int), handedness=1)
    weights, gain = fit_evidence([pair])
    assert gain > 0.3
    evidence = frame_evidence(frames, course, weights)
    at_truth = evidence[0, np.arange(50), place, 0].sum()
    turned = evidence[0, np.arange(50), place, 24].sum()
    mirrored = evidence[1, np.arange(50), place, 0].sum()
    assert at_truth > max(turned, mirrored) + 1.0
    assert min(weights.angular + weights.plain) >= 0.0
    assert len(weights.angular) == len(ANGULAR)
    assert len(weights.plain) == len(PLAIN)


def test_the_network_learns_a_plain_rule_and_goes_round_the_angle():
    rng = np.random.default_rng(0)
    profiles = rng.normal(0, 0.3, (60, 48, COUNT + EXTRA)).astype(np.float32)
    labels = np.zeros((2, 60, 48), np.float32)
    for frame in range(0, 60, 6):
        angle = int(rng.integers(48))
        for step in range(-2, 3):
            labels[0, frame : frame + 3, (angle + step) % 48] = 1.0
    profiles[:, :, 8:16] -= 2.5 * labels[0][:, :, None]
    net = train_landmarks([LabelledPullback(profiles=profiles, labels=labels)], LandmarkRecipe(steps=60, batch=2))
    chance, _ = landmark_probabilities(net, profiles)
    assert chance[labels[0] > 0].mean() > chance[labels[0] == 0].mean() + 0.4
    rolled, _ = landmark_probabilities(net, np.roll(profiles, 17, axis=1))
    np.testing.assert_allclose(rolled, np.roll(chance, 17, axis=1), atol=1e-4)


def test_the_shipped_network_is_small_and_loads():
    net = load_landmark_network()
    assert sum(weight.numel() for weight in net.parameters()) < 100_000
    with torch.inference_mode():
        assert net(torch.zeros(1, COUNT + EXTRA, 5, 48)).shape == (1, 2, 5, 48)
    assert isinstance(net, PolarLandmarkNet)


def test_a_tiny_training_writes_files_that_load(tmp_path):
    about = train_ivus(IvusRecipe(cases=1, steps=2), tmp_path)
    assert about["gain_nats_a_frame"] > 0.0
    load_landmark_network(tmp_path / "ivus_landmarks.safetensors")
    stored = json.loads((tmp_path / "ivus_evidence.json").read_text())
    assert set(stored["angular"]) == set(ANGULAR)
    assert set(stored["plain"]) == set(PLAIN)


def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path):
    rng = np.random.default_rng(1)
    profiles = rng.normal(0, 0.3, (60, 48, COUNT + EXTRA)).astype(np.float32)
    data = [LabelledPullback(profiles=profiles, labels=(rng.random((2, 60, 48)) > 0.9).astype(np.float32))]
    recipe, path = LandmarkRecipe(steps=110, batch=1), tmp_path / "net.pt"

    class Killed(Exception):
        pass

    def killed(step, _loss):
        if step == 103:
            raise Killed

    whole = train_landmarks(data, recipe)
    with pytest.raises(Killed):
        train_landmarks(data, recipe, checkpoint=path, progress=killed)
    first = []
    resumed = train_landmarks(data, recipe, checkpoint=path, progress=lambda step, _: first.append(step))
    assert first[0] == 101
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)
