"""The weight of depth against other moves, the same in training and in descent."""

# Depth changes a picture less than a move across the beam: by a factor of 7 on simulated patients (seeds 1200 and up).
# This share was chosen on those patients, so figures measured on them are not fully independent of it. Depth is counted
# in a unit this many times longer, so that the target direction is one that a single view can show.
DEPTH_SHARE = 4.0
