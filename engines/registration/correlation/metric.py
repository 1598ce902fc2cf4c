"""How turns and moves are weighed against each other, in training and in descent alike."""

# Depth changes a picture several times less than a move across the beam: by a factor of 7 on simulated patients of
# seeds 1200 on, on which this share was chosen; figures of directions on those patients are not quite blind to it.
# It is measured in a unit that many times longer, so that a direction home is one that a single view can show.
DEPTH_SHARE = 4.0
