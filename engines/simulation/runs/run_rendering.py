"""One angiographic run of an invented patient: pictures, masks and poses, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from calibration.carm import CArmGeometry
from calibration.pose import RigidPose
from calibration.projection import Projection
from engines.simulation.anatomies.anatomy import Device, Patient, TissueLayer
from engines.simulation.anatomies.lobes import lobe_path_mm
from engines.simulation.anatomies.model_tree import model_tree
from engines.simulation.imaging.collimator import Opening
from engines.simulation.imaging.pieces import cut_into_pieces
from engines.simulation.imaging.shadow import TubeSamples, cast_tubes, line_integrals_mm
from engines.simulation.imaging.xray import Detector, Shadow, Tone, expose, typical_signal
from engines.simulation.runs.bolus import Filling
from engines.simulation.runs.motion import Beat, Moment, best_rigid_motion, deform_heart

BACKGROUND, ARTERY, VEIN, AORTA, DEVICE = range(5)
LABEL_OF_CLASS = {"artery": ARTERY, "vein": VEIN, "aorta": AORTA}
VISIBLE_SHARE = 0.15  # share of the run's peak concentration from which a vessel counts as filled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunPlan:
    """The plan of a run to be recorded.

    Args:
        name: stem of its files.
        geometry: C-arm, the same for all frames.
        frame_time_ms: time between frames.
        moments: the patient at each frame.
        filling: contrast at each point of the tree.
        devices: catheters and wires in view.
        detector: exposure and display.
        opening: collimator opening and burned-in text.
        mask_frames: frames without contrast for subtraction, () for fluoroscopy.
        beat: motion of heart and diaphragm; None if the patient lies still.
        vessels_beat: whether the vessels move with the heart.
        blush: iodine in the tissue around arteries, as a share of the arteries' shadow.
        lobe_filling: the tree point whose concentration the lobes take.
    """

    name: str
    geometry: CArmGeometry
    frame_time_ms: float
    moments: tuple[Moment, ...]
    filling: Filling
    devices: tuple[Device, ...]
    detector: Detector
    opening: Opening
    mask_frames: tuple[int, ...] = ()
    beat: Beat | None = None
    vessels_beat: bool = False
    blush: float = 0.0
    blush_delay_s: float = 0.0
    lobe_filling: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedRun:
    """Pictures and their truth.

    Args:
        pixels: (frames, rows, columns).
        labels: 0 background, 1 artery, 2 vein, 3 aorta, 4 device; a device hides the vessel around it.
        isocentre_from_lps: per frame; the best rigid motion if the heart deforms, exact at end-diastole.
        points_px: (frames, n, 2) true position of every point of `centerlines.vtp`.
    """

    plan: RunPlan
    pixels: UInt8[np.ndarray, "frames rows columns"]
    labels: UInt8[np.ndarray, "frames rows columns"]
    isocentre_from_lps: tuple[RigidPose, ...]
    points_px: Float32[np.ndarray, "frames n 2"]


def render_run(
    rng: np.random.Generator, patient: Patient, plan: RunPlan, progress: Callable[[float], None] = lambda _: None
) -> RenderedRun:
    """Expose every frame of a run."""
    pictures = np.empty((len(plan.moments), *plan.geometry.shape_px), dtype=np.uint8)
    labels = np.empty_like(pictures)
    stage = _Stage(patient, plan)
    field = plan.opening.field_of_view
    typical, tone = 0.0, None
    truth: list[RigidPose] = []
    points: list[np.ndarray] = []
    for number, moment in enumerate(plan.moments):
        shadow, labels[number], tree_px, pose = stage.frame(number, moment)
        if tone is None:
            typical = typical_signal(shadow, field)
        log_signal = expose(rng, shadow, plan.detector, typical=typical, field_of_view=field)
        if tone is None:
            tone = Tone.of_first_frame(log_signal, plan.detector, field)
        pictures[number] = plan.opening.write_text(tone.grey(log_signal, plan.opening.blade), number)
        truth.append(pose)
        points.append(tree_px.astype(np.float32))
        progress((number + 1) / len(plan.moments))
    return RenderedRun(
        plan=plan, pixels=pictures, labels=labels, isocentre_from_lps=tuple(truth), points_px=np.stack(points)
    )


class _Stage:
    """Keeps what frames share: the background and, if the patient lies still, the vessels' shadows."""

    def __init__(self, patient: Patient, plan: RunPlan) -> None:
        self.patient, self.plan = patient, plan
        self.points_mm = patient.tree.points_mm()
        self.model_points_mm = model_tree(patient.tree).points_mm()
        self.visible = plan.filling.peak_g_per_cm3 > 0
        self.samples = cut_into_pieces(patient.tree, LABEL_OF_CLASS)
        self._pose_key: bytes = b""
        self._shape_key: bytes = b""
        self._device_key: bytes = b""
        self._peak = {
            name: max(float(plan.filling.peak_g_per_cm3[self.samples.point_class == label].max(initial=0.0)), 1e-9)
            for name, label in LABEL_OF_CLASS.items()
        }

    def frame(
        self, number: int, moment: Moment
    ) -> tuple[Shadow, UInt8[np.ndarray, "rows columns"], Float[np.ndarray, "n 2"], RigidPose]:
        projection = self.plan.geometry.projection(moment.isocentre_from_lps)
        moved = self._moved(self.points_mm, moment) if self.plan.vessels_beat else self.points_mm
        self._cast(projection, moved)
        self._cast_devices(projection, moment)
        at_s = number * self.plan.frame_time_ms / 1000.0
        conc = self.plan.filling.concentration_g_per_cm3(at_s)
        iodine = self._iodine(conc, at_s)
        water, bone = self._background(moment)
        label = self._label(conc)
        pose = moment.isocentre_from_lps
        if self.plan.vessels_beat:
            pose = pose @ best_rigid_motion(moved[self.visible], self.points_mm[self.visible])
        return (
            Shadow(water_mm=water, bone_mm=bone, iodine_g_per_cm2=iodine),
            label,
            projection.project(
                self._moved(self.model_points_mm, moment) if self.plan.vessels_beat else self.model_points_mm
            )[0],
            pose,
        )

    def _moved(self, points_mm: Float[np.ndarray, "n 3"], moment: Moment) -> Float[np.ndarray, "n 3"]:
        heart, beat = self.patient.heart, self.plan.beat
        if heart is None or beat is None:
            return points_mm
        return deform_heart(points_mm, heart, beat, moment)

    def _cast(self, projection: Projection, moved: Float[np.ndarray, "n 3"]) -> None:
        pose_key = projection.matrix().tobytes()
        if pose_key != self._pose_key:
            self._pose_key = pose_key
            self.layers = [_layer_shadow(layer, self.patient, projection) for layer in self.patient.layers]
            self.projection = projection
        shape_key = pose_key + moved.tobytes()
        if shape_key == self._shape_key:
            return
        self._shape_key = shape_key
        self.tubes = cast_tubes(self.samples.at(moved), projection)
        self.lobes = lobe_path_mm(self.patient, projection)

    def _cast_devices(self, projection: Projection, moment: Moment) -> None:
        key = projection.matrix().tobytes()
        if any(device.moves == "heart" for device in self.plan.devices):
            key += np.append(moment.breath_mm, moment.contraction).tobytes()
        if key == self._device_key:
            return
        self._device_key = key
        self.wires = [
            _device_shadow(
                device,
                self._moved(device.points_mm, moment) if device.moves == "heart" else device.points_mm,
                projection,
            )
            for device in self.plan.devices
        ]

    def _iodine(self, conc: Float[np.ndarray, " n"], at_s: float) -> Float32[np.ndarray, "rows columns"]:
        weight = self.samples.weigh(conc)
        iodine = self.tubes.path_mm(weight) / 10.0
        if self.plan.blush > 0.0:
            earlier = self.plan.filling.concentration_g_per_cm3(at_s - self.plan.blush_delay_s)
            arterial = self.samples.weigh(earlier) * (self.samples.label == ARTERY) * (self.samples.radius_mm < 0.9)
            haze = cv2.GaussianBlur(self.tubes.path_mm(arterial).astype(np.float32) / 10.0, (0, 0), 17.0)
            iodine = iodine + self.plan.blush * haze
        if self.lobes is not None:
            iodine = iodine + self.lobes * (conc[self.plan.lobe_filling] / 10.0)
        for _, path_g in self.wires:
            iodine = iodine + path_g
        return iodine.astype(np.float32)

    def _background(
        self, moment: Moment
    ) -> tuple[Float32[np.ndarray, "rows columns"], Float32[np.ndarray, "rows columns"]]:
        water, bone = (
            np.zeros(self.plan.geometry.shape_px, np.float32),
            np.zeros(self.plan.geometry.shape_px, np.float32),
        )
        for layer, (layer_water, layer_bone) in zip(self.patient.layers, self.layers, strict=True):
            if layer.moves == "heart" and self.patient.heart is not None:
                centre = (
                    self.patient.heart.base_mm[None] + 0.5 * self.patient.heart.length_mm * self.patient.heart.axes[2]
                )
                shift = self.projection.project(self._moved(centre, moment))[0] - self.projection.project(centre)[0]
                matrix = np.array([[1.0, 0.0, shift[0, 0]], [0.0, 1.0, shift[0, 1]]])
                size = (layer_water.shape[1], layer_water.shape[0])
                layer_water = cv2.warpAffine(layer_water, matrix, size, borderMode=cv2.BORDER_REPLICATE)
            water, bone = water + layer_water, bone + layer_bone
        return np.maximum(water, 0.0), bone

    def _label(self, conc: Float[np.ndarray, " n"]) -> UInt8[np.ndarray, "rows columns"]:
        label = np.zeros(self.plan.geometry.shape_px, dtype=np.uint8)
        weight = self.samples.weigh(conc, dead_zone=False)
        for name in ("aorta", "vein", "artery"):
            number = LABEL_OF_CLASS[name]
            filled = (self.samples.label == number) & (weight > VISIBLE_SHARE * self._peak[name])
            label[self.tubes.mask(filled)] = number
            if (
                name == "aorta"
                and self.lobes is not None
                and conc[self.plan.lobe_filling] > VISIBLE_SHARE * self._peak[name]
            ):
                label[(self.lobes > 0.3) & (label == BACKGROUND)] = AORTA
        for mask, _ in self.wires:
            label[mask] = DEVICE
        label[~self.plan.opening.field_of_view] = BACKGROUND
        return label


def _layer_shadow(
    layer: TissueLayer, patient: Patient, projection: Projection
) -> tuple[Float32[np.ndarray, "rows columns"], Float32[np.ndarray, "rows columns"]]:
    # At half the size each way, pixels are still finer than the voxels at the isocentre.
    rows, columns = projection.shape_px
    small = projection.resized((rows // 2, columns // 2))
    volumes = [layer.water, layer.bone] if layer.bone.any() else [layer.water]
    paths = line_integrals_mm(
        volumes, layer.grid.lps_from_index(patient.offset_mm), small, step_mm=1.2 * layer.grid.spacing_mm
    )
    large = [cv2.resize(path, (columns, rows), interpolation=cv2.INTER_CUBIC) for path in paths]
    return large[0], large[1] if len(large) > 1 else np.zeros((rows, columns), np.float32)


def _device_shadow(
    device: Device, points: Float[np.ndarray, "n 3"], projection: Projection
) -> tuple[Bool[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    middle, length = 0.5 * (points[1:] + points[:-1]), np.linalg.norm(np.diff(points, axis=0), axis=1)
    ones = np.ones(len(length))
    outer = cast_tubes(TubeSamples(points_mm=middle, radius_mm=device.radius_mm * ones, length_mm=length), projection)
    path = outer.path_mm(ones)
    if device.core > 0.0:
        radius = device.core * device.radius_mm * ones
        path = path - cast_tubes(TubeSamples(points_mm=middle, radius_mm=radius, length_mm=length), projection).path_mm(
            ones
        )
    return outer.mask(ones > 0), np.maximum(path, 0.0) * device.iodine_g_per_cm3 / 10.0
