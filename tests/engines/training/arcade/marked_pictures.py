"""Small made-up angiograms in ARCADE's form: a marked main vessel, an unmarked branch, a catheter, a lead far away."""

from pathlib import Path

import cv2
import numpy as np

SIDE = 512
MAIN = np.array([[150, 150], [200, 190], [230, 260], [240, 340], [300, 400]])
BRANCH = np.array([[230, 260], [290, 270], [350, 300], [400, 300]])
CATHETER = np.array([[120, 0], [130, 70], [150, 150]])
LEAD = np.array([[400, 60], [470, 130]])


def line(points: np.ndarray, width: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(mask, [points.astype(np.int32)], False, 255, width)
    return mask


def picture(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grey values and the mask of the main vessel."""
    dark = np.zeros((SIDE, SIDE), np.float32)
    for points, width, depth in ((MAIN, 16, 80), (BRANCH, 6, 50), (CATHETER, 12, 60), (LEAD, 8, 60)):
        dark = np.maximum(dark, (line(points, width) > 0) * float(depth))
    noise = np.random.default_rng(seed).normal(0, 3, dark.shape)
    grey = 170 - cv2.GaussianBlur(dark, (0, 0), 1.5) + noise
    return np.clip(grey, 0, 255).astype(np.uint8), line(MAIN, 16)


def write_folder(folder: Path, count: int = 2) -> Path:
    """DIR/train and DIR/val."""
    for part in ("train", "val"):
        for kind in ("images", "masks"):
            (folder / part / kind).mkdir(parents=True)
        for number in range(count):
            grey, mask = picture(number)
            cv2.imwrite(str(folder / part / "images" / f"{number}.jpg"), grey)
            cv2.imwrite(str(folder / part / "masks" / f"{number}.png"), mask)
    return folder
