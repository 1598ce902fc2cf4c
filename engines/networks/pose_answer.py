"""What the pose network is shown, and what its six outputs mean; without the network's own library."""

PICTURE_PX = 96  # side of both input pictures
SIGMA_PX = 0.7  # blur of the drawn model, which matches a mask averaged down to this size
# The motion that an output of 1 means: about the error of a typical start.
TURN_RAD = 0.15
SHIFT_WIDTHS = 0.1
DEPTH_LOG = 0.04
