import numpy as np
import pytest
from scipy.spatial import KDTree

from engines.registration.features.neighbours import Neighbours


@pytest.mark.parametrize("counts", [(1, 1), (280, 240), (900, 1200)])
def test_neighbours_are_those_of_a_tree(counts):
    random = np.random.default_rng(3)
    points, others = (random.uniform(-90, 90, (count, 4)) for count in counts)
    near = Neighbours(points)
    assert np.array_equal(near.nearest_to(others), KDTree(points).query(others)[1])
    assert np.array_equal(near.nearest_among(others), KDTree(others).query(points)[1])


def test_only_those_that_ask_are_answered():
    random = np.random.default_rng(4)
    points, others = random.normal(size=(50, 4)), random.normal(size=(30, 4))
    asking = np.array([3, 7, 40])
    assert np.array_equal(Neighbours(points).nearest_among(others, asking), KDTree(others).query(points[asking])[1])


def test_far_from_the_origin_neighbours_a_hundredth_of_a_millimetre_apart_are_told_apart():
    points = np.array([[500.0, 300.0, 3.0, 0.0], [500.01, 300.0, 3.0, 0.0], [502.0, 301.0, 3.0, 0.0]])
    asked = points + 0.002
    assert Neighbours(points).nearest_to(asked).tolist() == [0, 1, 2]
