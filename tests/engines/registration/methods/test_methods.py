"""One contract over every named method, and what each promises beyond it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import InputError
from engines.anatomy.vessel_model import SurfaceMesh, VesselModel
from engines.registration.correlation.descent import DescentOptions
from engines.registration.correlation.learned_similarity import measured_similarity
from engines.registration.initial_pose import radiological_start, start_near
from engines.registration.methods.cma_es import CmaEs, CmaEsOptions
from engines.registration.methods.correlation_driven import CorrelationDriven, Course, with_evolution
from engines.registration.methods.deepiterreg import DeepIterRegOptimisation
from engines.registration.methods.dicom_header import DicomHeader
from engines.registration.methods.factory import METHODS, make_method
from engines.registration.methods.method import RegistrationMethod, start_pose
from engines.registration.methods.ours import Ours
from engines.registration.methods.stock_drr import StockDrr
from engines.registration.rendered.adam_ascent import AdamLevel
from tests.engines.registration.vessel_bed import Bed, bed

_QUICK = CmaEsOptions(
    population=6, sigma_rad=0.03, sigma_mm=3.0, sigma_depth_mm=8.0, coarse_px=32, coarse=10, fine_px=32, fine=1
)
_DESCENT = Course(
    similarity=measured_similarity("gradient-ncc"),
    descent=DescentOptions(long_side_px=48, steps=24, first_rad=0.01, first_mm=1.5, last_share=0.1),
)
_NAMES = (
    "dicom", "stock-nanodrr-ncc", "deepiterreg-optimisation", "cma-es", "gradient-ncc", "gradient-ncc-cma-es", "ours",
)  # fmt: skip


def _small(name: str) -> RegistrationMethod:
    level = AdamLevel(long_side_px=32, steps=14, learning_rate=0.8)
    made: dict[str, RegistrationMethod] = {
        "dicom": DicomHeader(),
        "stock-nanodrr-ncc": StockDrr("nanodrr", levels=(level,)),
        "deepiterreg-optimisation": DeepIterRegOptimisation(segmentation=level),
        "cma-es": CmaEs(_QUICK),
        "gradient-ncc": CorrelationDriven("gradient-ncc", _DESCENT),
        "gradient-ncc-cma-es": CorrelationDriven("gradient-ncc-cma-es", with_evolution(_DESCENT, _QUICK)),
        "ours": Ours(),
    }
    return made[name]


@pytest.fixture(scope="module")
def scene() -> Bed:
    return bed(3, missing=0.0, false_curves=0)


@pytest.mark.parametrize("name", _NAMES)
def test_every_method_gives_a_timed_pose_nearer_than_its_start(scene: Bed, name: str) -> None:
    method = _small(name)
    assert isinstance(method, RegistrationMethod)
    assert method.name == name
    assert name in METHODS
    start = start_near(scene.moved(1, deg=1.5, mm=3.0, depth_mm=4.0))
    found = method.register([scene.view], scene.model, start)
    assert found.seconds > 0
    assert np.isfinite(found.score)
    assert (found.registration is not None) == (name == "ours")
    if name != "dicom":
        begin = scene.error_mm(start_pose(start, scene.model))
        assert begin > 2.0
        assert scene.error_mm(found.isocentre_from_lps) < 0.6 * begin


@pytest.mark.parametrize("name", ["prost", "correlation"])
def test_shipped_similarities_load_and_evolution_finishes_what_they_begin(scene: Bed, name: str) -> None:
    method = make_method(f"{name}-cma-es")
    assert isinstance(method, CorrelationDriven)
    assert method.course.evolution is not None
    small = replace(_DESCENT, similarity=method.course.similarity, descent=replace(_DESCENT.descent, steps=6))
    start = start_near(scene.moved(1, deg=1.5, mm=3.0, depth_mm=4.0))
    found = CorrelationDriven(method.name, with_evolution(small, _QUICK)).register([scene.view], scene.model, start)
    assert [stage.name for stage in found.stages] == [f"{name}-descent", "cma-es"]
    assert scene.error_mm(found.isocentre_from_lps) < 0.8 * scene.error_mm(start_pose(start, scene.model))


def test_evolution_answers_the_same_again(scene: Bed) -> None:
    brief = replace(_QUICK, coarse=2)
    start = start_near(scene.moved(1, deg=1.5, mm=3.0, depth_mm=4.0))
    one, two = (CmaEs(brief).register([scene.view], scene.model, start).isocentre_from_lps for _ in range(2))
    assert np.allclose(one.matrix, two.matrix, atol=1e-6)


def test_the_header_looks_at_neither_picture_nor_start(scene: Bed) -> None:
    far = start_near(scene.moved(2, deg=20.0, mm=60.0, depth_mm=60.0))
    found = DicomHeader().register([scene.view], scene.model, far)
    assert np.allclose(found.isocentre_from_lps.matrix, start_pose(radiological_start(), scene.model).matrix)
    assert np.allclose(found.isocentre_from_lps.apply(scene.model.centroid_mm()[None]), 0.0)


def test_the_intensity_stage_needs_a_picture_and_says_what_it_did(scene: Bed) -> None:
    quick = AdamLevel(long_side_px=32, steps=3, learning_rate=0.2)
    method = DeepIterRegOptimisation(segmentation=quick, intensity=quick)
    start = start_near(scene.pose)
    without = method.register([scene.view], scene.model, start)
    seen = replace(scene.view, image=1000.0 - 400.0 * scene.view.vessel)
    with_picture = method.register([seen], scene.model, start)
    assert [stage.name for stage in without.stages] == ["ncc-vessels"]
    assert [stage.name for stage in with_picture.stages] == ["ncc-vessels", "mi-minip"]


def test_the_renderer_is_made_once_a_model(scene: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    from engines.registration.rendered import rendered_view

    made: list[str] = []
    make = rendered_view.vessel_renderer

    def counted(*args, **named):
        made.append("renderer")
        return make(*args, **named)

    monkeypatch.setattr(rendered_view, "vessel_renderer", counted)
    method = StockDrr("nanodrr", levels=(AdamLevel(long_side_px=16, steps=1, learning_rate=0.1),))
    for _ in range(3):
        method.register([scene.view], scene.model, start_near(scene.pose))
    assert made == ["renderer"]


def test_an_unknown_method_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean cma-es"):
        make_method("cmaes")


def test_what_cannot_be_rendered_is_refused(scene: Bed) -> None:
    corner = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    bare = VesselModel(surface=SurfaceMesh(vertices_mm=corner, triangles=np.array([[0, 1, 2]])))
    with pytest.raises(InputError, match="bare surface"):
        StockDrr("nanodrr").register([scene.view], bare, start_near(scene.pose))
    veins = replace(scene.view, branch_classes=("vein",))
    with pytest.raises(InputError, match="vein"):
        CmaEs().register([veins], scene.model, start_near(scene.pose))


def test_stock_diffdrr_and_stock_nanodrr_agree(scene: Bed) -> None:
    pytest.importorskip("diffdrr")
    only_look = (AdamLevel(long_side_px=24, steps=1, learning_rate=0.3),)
    start = start_near(scene.moved(1, deg=1.0, mm=2.0, depth_mm=2.0))
    slow, fast = (
        StockDrr(name, levels=only_look).register([scene.view], scene.model, start).score
        for name in ("diffdrr", "nanodrr")
    )
    assert slow == pytest.approx(fast, abs=0.03)
