"""The affine network learns without a single reference pose."""

from __future__ import annotations

from engines.simulation.training_patients.patients import TrainingPatient
from engines.training.pose.affine_recipe import AffineRecipe, train_affine
from tests.engines.registration.vessel_bed import bed


def test_a_few_steps_change_the_network_and_say_their_loss() -> None:
    tree = bed(2).model.centerlines
    patient = TrainingPatient(kind="coronary", tree=tree, groups=("LCA",) * len(tree.branches))
    losses: list[float] = []
    recipe = AffineRecipe(steps=2, share=0.05, views=1)
    net, steps = train_affine(recipe, patient_of=lambda _: patient, progress=lambda _, loss: losses.append(loss))
    assert len(losses) == steps == 2
    assert all(0.0 < loss <= 1.0 for loss in losses)
    assert float(net.head[-1].weight.detach().abs().max()) > 0.0
