import pytest

from engines.anatomy.structure_names import (
    guessed_name,
    is_guessed,
    lumen_of,
    names_any_vessel,
    said_to_be,
    structure_class_of,
    vessel_class_of,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aorta", "aorta"), ("annulus_proper", "aorta"), ("sinus of Valsalva", "aorta"),
        ("aortic arch vessels", "aorta"),
        ("aorta_true_lumen", "true lumen"), ("aorta_false_lumen", "false lumen"), ("False Lumen", "false lumen"),
        ("falseLumen", "false lumen"), ("FL", "false lumen"), ("brachiocephalic_trunk", "artery"),
        ("common_carotid_artery_left", "artery"), ("R-ICA", "artery"), ("3rd-A2", "artery"), ("M1-left", "artery"),
        ("LAD", "artery"), ("vertebral_artery_left", "artery"), ("iliac_artery_left", "artery"),
        ("iliac_vena_left", "vein"), ("superior sagittal sinus", "vein"), ("SSS", "vein"), ("Vena jugularis", "vein"),
        ("brachiocephalic_vein_right", "vein"), ("coronary sinus", "vein"), ("vertebrae_L1", "none"),
        ("heart_atrium_left", "none"), ("aortic_valve_leaflets", "none"), ("lung_upper_lobe_left", "none"),
        ("thrombus", "none"), ("blob (vein)", "vein"), ("liver (artery)", "artery"), ("label-3", ""), ("blob", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_name_tells_its_class_or_nothing(name: str, expected: str) -> None:
    assert structure_class_of(name) == expected


def test_lumina_are_matched_as_aorta_and_unknown_names_as_arteries() -> None:
    assert [vessel_class_of(name) for name in ("aorta false lumen", "TL", "blob", "SSS")] == [
        "aorta", "aorta", "artery", "vein",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["aorta", "LAD"], ["whole", ""]),
        (["aorta", "aorta_false_lumen"], ["true", "false"]),
        (["aorta", "aorta_false_lumen", "aorta_true_lumen"], ["rest", "false", "true"]),
        (["true lumen", "false lumen", "vein"], ["true", "false", ""]),
    ],
)
def test_an_aorta_beside_its_lumina_is_the_one_that_is_left(names: list[str], expected: list[str]) -> None:
    assert [lumen_of(name, names) for name in names] == expected


def test_a_stated_class_stays_with_the_name_and_is_left_out_where_the_name_says_it() -> None:
    assert said_to_be("blob", "vein") == "blob (vein)"
    assert said_to_be("jugular vein", "vein") == "jugular vein"
    assert said_to_be("blob (vein)", "artery") == "blob (artery)"


@pytest.mark.parametrize("found", ["artery", "vein", "aorta", "true lumen", "false lumen"])
def test_a_guessed_name_tells_its_class_and_that_it_is_a_guess(found: str) -> None:
    name = guessed_name(found, 4)
    assert structure_class_of(name) == found
    assert is_guessed(name)
    assert not is_guessed(found)


def test_names_that_say_only_vessel_are_known() -> None:
    assert names_any_vessel("Vessels")
    assert names_any_vessel("blood_pool")
    assert not names_any_vessel("blob")
    assert not names_any_vessel("label-2")
    assert not names_any_vessel("3")
