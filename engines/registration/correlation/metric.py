"""How turns and moves are weighed against each other, in training and in descent alike."""

# Depth changes a picture several times less than a move across the beam: on the training bank by a factor of 7.
# It is measured in a unit that many times longer, so that a direction home is one that a single view can show.
DEPTH_SHARE = 4.0
