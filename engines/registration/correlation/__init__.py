"""A similarity of pictures learnt so that its gradient points home: correlation-driven 2D/3D registration.

After Chen et al., "Fully differentiable correlation-driven 2D/3D registration for X-ray to CT image fusion" (2024,
arXiv:2402.02498): what two pictures have in common is split into global and local features, whose correlations are
driven apart, and the gradient of the similarity is trained to be that of the distance of the poses.
"""
