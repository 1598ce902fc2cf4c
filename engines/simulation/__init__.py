"""Simulated cases with exact truth: EVT, TAVI, coronary.

An invented patient (`draw_case`) has tissue, tubes as vessels, and devices. A run casts their shadows (`shadow.py`:
exact thickness of tubes, ray integrals through tissue) and exposes a detector (`xray.py`). It is written as an XA file
with its truth beside it: `truth/<run>.json` (one pose per frame, in the schema of a registration), `<run>_labels.npz`
(one picture `labels` per frame: 0 background, 1 artery, 2 vein, 3 aorta, 4 device; a device hides the vessel around
it) and, if the heart beats, `<run>_points.npz` (positions of the points of `centerlines.vtp`, in 1/100 of a pixel).

Coronary trees deform with the heart: a frame's pose is the best rigid one for the injected tree. It is exact in frames
listed as `end_diastolic_frames`, because the CTA shows end-diastole.

Seeds: the bundled cases use seeds below 100; seeds from 1000 on are held out for evaluation and nothing is tuned on
them. No estimator imports this package.
"""
