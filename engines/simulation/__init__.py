"""Cases with exact truth: EVT, TAVI, coronary.

An invented patient (`draw_case`) has tissue, vessels as tubes, devices. A run casts their shadows (`shadow.py`: exact
thickness of tubes, ray integrals through tissue), exposes a detector (`xray.py`) and is written as an XA file with its
truth beside it: `truth/<run>.json` (a pose a frame, in the schema of a registration), `<run>_labels.npz` (`labels`:
0 background, 1 artery, 2 vein, 3 aorta, 4 device, a frame each; a device hides the vessel it lies in) and, where the
heart beats, `<run>_points.npz` (where each point of `centerlines.vtp` was seen, in hundredths of a pixel).

Coronary runs deform with the heart: the pose of a frame is the best rigid one for the injected tree, and exact in the
frames listed as `end_diastolic_frames`, since the CTA is of end-diastole.

Seeds: the bundled cases use seeds below 100; seeds from 1000 on are held out for evaluation and nothing is tuned on
them. No estimator imports this package.
"""
