from engines.segmentation.scenes import scene_named
from engines.training.segmentation import ablation
from engines.training.segmentation.ablation import arms, run
from engines.training.segmentation.segmentation_recipe import Recipe

_TINY = Recipe(scene="coronary", steps=1, width=4, batch=1, patch_px=64)


def test_every_arm_differs_from_the_recipe_in_one_thing():
    rest = list(arms(_TINY, scene_named("coronary")).values())
    assert rest[0] == _TINY
    for recipe in rest[1:]:
        different = [name for name in Recipe.__slots__ if getattr(recipe, name) != getattr(_TINY, name)]
        assert len(different) == 1


def test_every_arm_is_trained_and_scored(monkeypatch):
    monkeypatch.setattr(ablation, "arms", lambda base, _scene: {"only": base})
    outcome = run(_TINY, scene_named("coronary"), pictures=2)
    held_out, seconds = outcome["only"]
    assert held_out.figures["vessel"]["dice"].count > 0
    assert seconds > 0


def test_arms_can_be_picked_by_a_word_of_their_name(monkeypatch):
    monkeypatch.setattr(ablation, "arms", lambda base, _scene: {"first": base, "second": base})
    assert list(run(_TINY, scene_named("coronary"), 1, ["sec"])) == ["second"]
