"""The published registration of seed 000 (van Herten et al.): sequential search, then gradient descent on a warp."""
