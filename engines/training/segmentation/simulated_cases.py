"""Training patches from simulated case folders (`guidance-app simulate`), in addition to the synthetic patches.

Only files are read; the simulator is never imported, so only its pictures and labels can reach a network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from calibration.errors import InputError
from engines.angiography.contrast_gate import Background, background_of_run
from engines.angiography.dsa import subtract
from engines.angiography.files.open_run import open_run
from engines.angiography.frame import Frame
from engines.segmentation.arrival import WITH_ARRIVAL, arrival_channel, channels_for
from engines.segmentation.conditioning import condition_working
from engines.segmentation.scenes import Scene, model_for_kind
from engines.simulation.angiograms.angiogram_synthesis import WORKING_PX, Sample
from engines.training.segmentation.arrival_variation import varied

HELD_OUT_FROM_SEED = 1000  # from this seed on, cases are for evaluation; below the next, bundled
FIRST_TRAINING_SEED = 100
_LABELS = {"vessel": 1, "artery": 1, "vein": 2, "aorta": 3, "device": 4}
_EVERY = 2  # every n-th frame is used, because neighbouring frames are similar
_NOT_KNOWN = 0.3  # share of the patches that come without their arrival, so that single frames still work


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrived:
    """What a frame's run tells of the time before the bolus, at the working size, in log units.

    Args:
        darkening: since then, of the frame.
        before: the mean picture before the bolus.
    """

    darkening: Float[np.ndarray, "256 256"]
    before: Float[np.ndarray, "256 256"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedFrames:
    """Pictures of a scene at the working size with their labels, all in memory.

    Attributes:
        cases: names of the cases, which state kind and seed.
        arrived: what came with the contrast, by picture; None for one whose run has no frame before contrast.
    """

    scene: Scene
    cases: tuple[str, ...]
    pictures: list[Float[np.ndarray, "256 256"]]
    labels: list[UInt8[np.ndarray, "256 256"]]
    arrived: list[Arrived | None]

    def sample(self, seed: int, index: int, size_px: int, *, arrival: bool = False) -> Sample | None:
        """A turned, scaled, relit and cropped frame; the same arguments give the same patch.

        None if the crop shows nothing.

        Args:
            arrival: with the channel of what came with the contrast, varied, and left unknown in some patches.
        """
        random = np.random.default_rng(np.random.SeedSequence([seed, index, 1]))
        which = int(random.integers(len(self.pictures)))
        turn = _turn(random, size_px)
        picture, label = _turned(self.pictures[which], turn, size_px), _turned_label(self.labels[which], turn, size_px)
        picture = _relit(random, picture)
        conditioned = condition_working(picture, working_px=WORKING_PX)
        if conditioned is None:
            return None
        masks = np.stack([_mask(label, name) for name in self.scene.classes]).astype(np.float32)
        if self.scene.name == "coronary":
            masks[0] = _as_readers_draw(masks[0])
        if conditioned.field_of_view is not None:
            masks *= conditioned.field_of_view
        channels = -conditioned.channels if conditioned.inverted else conditioned.channels
        if arrival:
            own = np.random.default_rng([seed, index, 4])
            arrived = None if own.random() < _NOT_KNOWN else self.arrived[which]
            field = conditioned.field_of_view
            plane = None if arrived is None else _arrival(own, arrived, turn, size_px, field)
            channels = channels_for(channels, WITH_ARRIVAL, plane)
        return Sample(channels=np.ascontiguousarray(channels), masks=masks, picture=picture)


def load_simulated(folder: Path, scene: Scene) -> SimulatedFrames:
    """Read all frames of the folder's cases that this scene's network is for.

    Raises:
        InputError: there is no fitting case, or one has a seed that is kept for evaluation or bundled.
    """
    cases = fitting_cases(folder, scene)
    frames = SimulatedFrames(
        scene=scene, cases=tuple(case.name for case in cases), pictures=[], labels=[], arrived=[]
    )  # fmt: skip
    for case in cases:
        for run_file in sorted((case / "xa").glob("*.dcm")):
            _read_run(run_file, case / "truth" / f"{run_file.stem}_labels.npz", frames)
    if not frames.pictures:
        raise InputError(f"{folder}: holds no simulated case for {scene.name}; make some with `guidance-app simulate`")
    return frames


def fitting_cases(folder: Path, scene: Scene) -> list[Path]:
    """The case folders that this scene's network is for. Raises InputError for a seed not meant for training."""
    cases = []
    for case in sorted(path.parent for path in folder.glob("*/case.json")):
        told = json.loads((case / "case.json").read_text(encoding="utf-8"))
        if model_for_kind(told["kind"], told.get("field_of_view", "upper")) == scene.name:
            _check_seed(case)
            cases.append(case)
    return cases


def _check_seed(case: Path) -> None:
    seed = case.name.rpartition("-")[2]
    if not (seed.isdigit() and FIRST_TRAINING_SEED <= int(seed) < HELD_OUT_FROM_SEED):
        raise InputError(
            f"{case}: training takes simulated cases named KIND-SEED with seeds {FIRST_TRAINING_SEED} to "
            f"{HELD_OUT_FROM_SEED - 1}; others are bundled or kept for evaluation"
        )


def _read_run(run_file: Path, label_file: Path, into: SimulatedFrames) -> None:
    with np.load(label_file) as archive:
        truth = archive["labels"]
    run = open_run(run_file)
    if into.scene.name == "cerebral" and run.kind != "dsa" and run.mask:
        run = subtract(run)
    background = None if into.scene.thin_vessels else background_of_run(run)
    for index in range(0, run.frame_count, _EVERY):
        frame = run.frame(index)
        into.pictures.append(_small(frame.pixels.astype(np.float32)))
        size = (WORKING_PX, WORKING_PX)
        into.labels.append(cv2.resize(truth[index], size, interpolation=cv2.INTER_NEAREST))
        into.arrived.append(None if background is None else _arrived(background, frame))


def _arrived(background: Background, frame: Frame) -> Arrived:
    return Arrived(darkening=_small(background.darkening(frame)), before=_small(background.mean))


def _small(picture: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "256 256"]:
    return cv2.resize(picture, (WORKING_PX, WORKING_PX), interpolation=cv2.INTER_AREA)


def _mask(label: UInt8[np.ndarray, "rows columns"], name: str) -> np.ndarray:
    mask = (label == _LABELS[name]).astype(np.uint8)
    if name == "device":
        return mask
    # A pixel has one label, so close a lumen where a wire inside it hides it.
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    return np.where(label == _LABELS["device"], closed, mask)


def _as_readers_draw(mask: np.ndarray) -> np.ndarray:
    """The part of a lumen's outline that looks dark, as in the outlines of `angiogram_synthesis`."""
    depth = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    radius = cv2.dilate(depth, np.ones((9, 9), np.uint8))
    return ((mask > 0.5) & (depth >= 0.3 * radius)).astype(np.float32)


def _turn(random: np.random.Generator, size_px: int) -> Float[np.ndarray, "2 3"]:
    """Turns, scales, mirrors and crops."""
    scale = np.exp(random.uniform(-0.25, 0.25))
    turn = cv2.getRotationMatrix2D((WORKING_PX / 2, WORKING_PX / 2), random.normal(0, 10), scale)
    spare = WORKING_PX - size_px
    turn[:, 2] -= random.uniform(0, max(spare, 1), 2) if spare > 0 else 0
    if random.random() < 0.5:
        turn[0] = -turn[0]
        turn[0, 2] += size_px - 1
    return turn


def _turned(picture: np.ndarray, turn: np.ndarray, size_px: int) -> np.ndarray:
    # Outside the detector the picture is dark; mirrored content would be invented anatomy.
    edge = float(picture.min())
    return cv2.warpAffine(picture, turn, (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=edge)


def _turned_label(label: np.ndarray, turn: np.ndarray, size_px: int) -> np.ndarray:
    return cv2.warpAffine(label, turn, (size_px, size_px), flags=cv2.INTER_NEAREST, borderValue=0)


def _arrival(
    random: np.random.Generator, arrived: Arrived, turn: np.ndarray, size_px: int, field: np.ndarray | None
) -> Float[np.ndarray, "size size"]:
    # Outside the detector nothing came.
    darkening = cv2.warpAffine(arrived.darkening, turn, (size_px, size_px), flags=cv2.INTER_LINEAR, borderValue=0)
    return arrival_channel(varied(random, darkening, _turned(arrived.before, turn, size_px)), size_px, field)


def _relit(random: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    low, high = picture.min(), picture.max()
    lit = np.clip((picture - low) / (high - low + 1e-6), 0, 1) ** np.exp(random.normal(0, 0.25))
    if random.random() < 0.4:
        lit = cv2.GaussianBlur(lit, (0, 0), random.uniform(0.3, 1.0))
    if random.random() < 0.3:
        lit = lit + random.uniform(0.2, 1.0) * (lit - cv2.GaussianBlur(lit, (0, 0), random.uniform(2, 12)))
    lit = lit + random.normal(0, np.exp(random.uniform(np.log(0.002), np.log(0.03))), lit.shape)
    return np.round(lit * 255).astype(np.float32)
