"""Twigs and crumbs go, vessels stay, and what a twig had cut in two is one again."""

import numpy as np

from engines.anatomy.centerlines.twigs import TwigLimits, without_twigs
from engines.anatomy.vessel_model import Branch, CenterlineTree


def _branch(start, end, parent=-1, radius_mm=2.0, vessel_class="artery"):
    points = np.linspace(start, end, 21)
    return Branch(points_mm=points, radius_mm=np.full(21, radius_mm), parent=parent, vessel_class=vessel_class)


TRUNK = _branch((0.0, 0.0, 0.0), (0.0, 0.0, 40.0))
ONWARD = _branch((0.0, 0.0, 40.0), (0.0, 0.0, 90.0), parent=0)


def _lengths(tree):
    return [round(float(np.linalg.norm(np.diff(b.points_mm, axis=0), axis=1).sum())) for b in tree.branches]


def test_a_short_twig_goes_and_its_vessel_is_whole_again():
    twig = _branch((0.0, 0.0, 40.0), (3.0, 0.0, 40.0), parent=0)
    assert _lengths(without_twigs(CenterlineTree(branches=(TRUNK, ONWARD, twig)))) == [90]


def test_a_thin_twig_goes_sooner_than_a_wide_one():
    thin = _branch((0.0, 0.0, 40.0), (8.0, 0.0, 40.0), parent=0, radius_mm=0.3)
    wide = _branch((0.0, 0.0, 40.0), (8.0, 0.0, 40.0), parent=0, radius_mm=1.0)
    assert len(without_twigs(CenterlineTree(branches=(TRUNK, ONWARD, thin))).branches) == 1
    kept = without_twigs(CenterlineTree(branches=(TRUNK, ONWARD, wide)))
    assert _lengths(kept) == [40, 50, 8]
    assert [branch.parent for branch in kept.branches] == [-1, 0, 0]


def test_small_trees_of_a_class_go_but_its_largest_stays():
    crumb = _branch((50.0, 0.0, 0.0), (50.0, 0.0, 3.0))
    vein = _branch((80.0, 0.0, 0.0), (80.0, 0.0, 8.0), vessel_class="vein")
    kept = without_twigs(CenterlineTree(branches=(crumb, TRUNK, vein)))
    assert [(b.vessel_class, b.parent) for b in kept.branches] == [("artery", -1), ("vein", -1)]
    assert _lengths(kept) == [40, 8]


def test_of_two_ends_that_both_are_short_the_longer_goes_on():
    first = _branch((0.0, 0.0, 40.0), (2.0, 0.0, 42.0), parent=0)
    second = _branch((0.0, 0.0, 40.0), (-3.0, 0.0, 43.0), parent=0)
    assert _lengths(without_twigs(CenterlineTree(branches=(TRUNK, first, second)))) == [44]


def test_a_tree_without_twigs_stays():
    tree = CenterlineTree(branches=(TRUNK,))
    assert _lengths(without_twigs(tree, TwigLimits(shortest_mm=100.0))) == [40]
