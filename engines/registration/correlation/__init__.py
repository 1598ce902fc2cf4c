"""Correlation-driven 2D/3D registration: a learnt similarity of pictures whose gradient points to the right pose.

It follows Chen et al., "Fully differentiable correlation-driven 2D/3D registration for X-ray to CT image fusion" (2024,
arXiv:2402.02498). The pictures are encoded into global and local features, with losses that make the global ones of a
pair correlate and the local ones not. The gradient of the similarity is trained to equal that of the poses' distance.
"""
