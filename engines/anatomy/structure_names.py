"""What a structure's name says about it: which class of vessel it is, and which lumen of a dissected aorta."""

from __future__ import annotations

import re
from collections.abc import Iterable

CLASSES = ("artery", "vein", "aorta", "true lumen", "false lumen")  # what a person may say a structure is
NO_VESSEL = "none"

# Parts of the aorta that segmentations name by themselves.
_AORTIC = ("aort", "annulus", "sinotubular", "valsalva")
_VENOUS = ("vein", "vena", "venous", "vene_", "sinus_sag", "sigmoid_sinus", "sinus_sigm", "jugular", "transverse_sinus",
           "sinus_trans", "straight_sinus", "sinus_rectus", "cavernous_sinus", "coronary_sinus", "sagittal_sinus",
           "confluence", "torcul", "galen", "rosenthal")  # fmt: skip
_VENOUS_WORDS = {"sigmoid", "ivc", "svc", "sss", "iss", "vog", "sinus", "sinuses", "vene", "venen"}
_ARTERIAL = ("arter", "carotid", "basilar", "subclavia", "brachiocephalic", "innominat", "trunk", "truncus", "celiac",
             "coeliac",
             "mesenteric", "iliac", "femoral", "coronar", "circumflex", "diagonal", "descending", "aneurysm",
             "arch_vessel", "arch_branch",
             "left_main", "main_stem", "ophthalm", "communicating", "willis", "graft", "bypass")  # fmt: skip
# Short names as angiographers write them, with or without a side: R-ICA, M1-left, LAD, OM2, d1.
_SHORT = re.compile(
    r"[lr]?(?:aca|mca|pca|ica|eca|cca|va|ba|sca|pica|aica|acom+a?|pcom+a?|acha|lad|lcx|cx|rca|lca|lm|lmca|pda|pdb|plb|"
    r"plv|pla|rpda|rpl|om\d*|mo\d*|d\d|m[1-4]|a[1-5]|p[1-4]|c[1-7]|v[1-4]|ramus|sma|ima|lima|rima|cfa|sfa|cia|eia|bct|"
    r"vertebral|renal|septal|marginal|lusoria)(?:[lr]|left|right)?"
)
_OTHER_ANATOMY = ("vertebrae", "vertebra_", "rib_", "ribs", "sternum", "clavicul", "scapula", "humerus", "femur",
                  "sacrum", "skull", "bone", "spine", "spinal", "lung", "liver", "spleen", "kidney", "heart", "atrium",
                  "atrial",
                  "ventric", "myocard", "brain", "trachea", "esophag", "oesophag", "stomach", "pancreas", "gallbladder",
                  "colon", "bowel", "duodenum", "bladder", "prostate", "gland", "thyroid", "muscle", "gluteus",
                  "autochthon", "iliopsoas", "costal_cart", "calcif", "calcium", "thromb", "plaque", "valve", "leaflet",
                  "stent", "background", "clear_label", "intervertebral", "airway", "tumor", "tumour")  # fmt: skip
_OTHER_WORDS = {
    "hip",
    "body",
    "skin",
    "fat",
    "pulp",
    "wall",
    "device",
    "air",
    "water",
    "lv",
    "rv",
    "la",
    "ra",
    "vertebra",
}
_ANY_VESSEL = {
    "vessel",
    "vessels",
    "lumen",
    "blood",
    "contrast",
    "vasculature",
    "vascular",
    "tree",
    "gefaesse",
    "foreground",
}
_FILLERS = {"all", "the", "pool", "mask", "label", "seg", "segmentation"}
_SAID = re.compile(r"\(([^()]*)\)\s*$")
_GUESSED = "guessed"


def vessel_class_of(name: str) -> str:
    """ "artery", "vein" or "aorta", for matching with what a picture shows; lumina of the aorta are aorta.

    Names are English or TotalSegmentator's; a word in brackets at the end decides: "blob (vein)".
    A name that says nothing counts as an artery; `structure_class_of` tells the difference.
    """
    said = structure_class_of(name)
    return {"true lumen": "aorta", "false lumen": "aorta", NO_VESSEL: "artery", "": "artery"}.get(said, said)


def structure_class_of(name: str) -> str:
    """One of `CLASSES`, "none" for what is no vessel, "" where the name says nothing."""
    stated = _stated(name)
    if stated:
        return stated
    words = _underscored(name)
    tokens = {token for token in re.split(r"[^a-z0-9]+", words) if token}
    if any(part in words for part in ("calcif", "thromb", "valve", "leaflet", "plaque", "stent", "clear_label")):
        return NO_VESSEL
    if any(part in words for part in _VENOUS) and "valsalva" not in words:
        return "vein"
    lumen = _lumen_words(words, tokens)
    if lumen and (not tokens.isdisjoint({"aorta", "aortic"}) or "arter" not in words):
        return f"{lumen} lumen"
    if any(part in words for part in _AORTIC) and "branch" not in words:
        return "aorta"
    if "arter" in words:
        return "artery"
    if not tokens.isdisjoint(_VENOUS_WORDS):
        return "vein"
    if any(part in words for part in _OTHER_ANATOMY) or not tokens.isdisjoint(_OTHER_WORDS):
        return NO_VESSEL
    if any(part in words for part in _ARTERIAL) or any(_SHORT.fullmatch(token) for token in tokens):
        return "artery"
    return ""


def names_any_vessel(name: str) -> bool:
    """Whether a name says only that this is a vessel: "vessels", "lumen", "blood"."""
    tokens = set(re.split(r"[^a-z]+", name.lower())) - {""}
    return bool(tokens & _ANY_VESSEL) and tokens <= _ANY_VESSEL | _FILLERS


def lumen_of(name: str, among: Iterable[str]) -> str:
    """Which lumen of the aorta a structure holds, seen beside the other structures of its label volume.

    Returns "true" or "false" for one lumen, "whole" for an aorta whose lumina nothing tells apart, "rest" for what an
    aorta keeps where both lumina are structures of their own, "" for anything else. An aorta beside a false lumen
    alone is the true one.
    """
    said = structure_class_of(name)
    if said.endswith(" lumen"):
        return said.removesuffix(" lumen")
    if said != "aorta":
        return ""
    others = {structure_class_of(other) for other in among}
    if "false lumen" not in others:
        return "rest" if "true lumen" in others else "whole"
    return "rest" if "true lumen" in others else "true"


def said_to_be(name: str, structure_class: str) -> str:
    """The name, with its class in brackets where the name itself says another or nothing."""
    bare = _SAID.sub("", name).strip() or name
    if structure_class_of(bare) == structure_class:
        return bare
    return f"{bare} ({structure_class})"


def guessed_name(structure_class: str, number: int) -> str:
    """Of a label that nothing names; begins with its class."""
    word = {"true lumen": "aorta true lumen", "false lumen": "aorta false lumen"}.get(structure_class, structure_class)
    return f"{word} {number} ({_GUESSED})"


def is_guessed(name: str) -> bool:
    found = _SAID.search(name)
    return found is not None and _GUESSED in found[1]


def _stated(name: str) -> str:
    found = _SAID.search(name)
    words = [word.strip().lower() for word in found[1].split(",")] if found else []
    return next((word for word in words if word in (*CLASSES, NO_VESSEL)), "")


def _underscored(name: str) -> str:
    """Lower case, one "_" between words: "falseLumen", "False lumen" and "false-lumen" are one."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", _SAID.sub("", name) if is_guessed(name) else name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def _lumen_words(words: str, tokens: set[str]) -> str:
    for lumen, short in (("false", "fl"), ("true", "tl")):
        if f"{lumen}_lumen" in words or f"{lumen}lumen" in words or f"lumen_{lumen}" in words or short in tokens:
            return lumen
    return ""
