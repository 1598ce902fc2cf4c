"""The affine network of model-to-image matching (Li et al. 2021), and the transformer that applies its answer."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

PAPER_PX = 256
_FILTERS = (32, 64, 64, 128, 128, 128, 128, 256, 256)
_POOLED_AFTER = (2, 4, 6, 8)  # the layers (counted from 0) that end in a pooling
_HIDDEN = 1024


class AffineNetwork(nn.Module):
    """Nine convolutions (the first 5x5, the others 3x3) with batch norm and ReLU, then 1024 and 6 units.

    Args:
        size_px: side of the pictures; at the paper's 256 the layer of 1024 units has 67 M weights, at 96 it has 9 M.
        share: share of the paper's filters and units; 1 is the published network.
    """

    def __init__(self, size_px: int = PAPER_PX, share: float = 1.0) -> None:
        super().__init__()
        self.size_px, self.share = size_px, share
        layers: list[nn.Module] = []
        inside = 2
        for number, filters in enumerate(_FILTERS):
            outside = max(4, round(filters * share))
            kernel = 5 if number == 0 else 3
            layers += [nn.Conv2d(inside, outside, kernel, padding=kernel // 2, bias=False)]
            layers += [nn.BatchNorm2d(outside), nn.ReLU()]
            if number in _POOLED_AFTER:
                layers += [nn.MaxPool2d(2)]
            inside = outside
        self.features = nn.Sequential(*layers)
        hidden = max(16, round(_HIDDEN * share))
        last = nn.Linear(hidden, 6)
        # Zero weights make the untrained answer the identity: the projection as the header states it.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        flat = inside * (size_px // 2 ** len(_POOLED_AFTER)) ** 2
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU(), last)

    def forward(self, moving: Float[Tensor, "n 1 s s"], fixed: Float[Tensor, "n 1 s s"]) -> Float[Tensor, "n 2 3"]:
        """The affine map from the moving to the fixed picture; -1 and 1 are the picture's edges."""
        return identity_maps(len(moving)).to(moving) + self.head(self.features(torch.cat([moving, fixed], 1))).reshape(
            -1, 2, 3
        )


def identity_maps(count: int) -> Float[Tensor, "n 2 3"]:
    return torch.eye(2, 3).expand(count, 2, 3).clone()


def transformed(moving: Float[Tensor, "n 1 s s"], maps: Float[Tensor, "n 2 3"]) -> Float[Tensor, "n 1 s s"]:
    """The moving picture after the map (spatial transformer, bilinear), differentiable in both."""
    last = maps.new_tensor([0.0, 0.0, 1.0]).expand(len(maps), 1, 3)
    # The sampler needs, for each pixel of the result, its place in the moving picture: the inverse map.
    inverse = torch.linalg.inv(torch.cat([maps, last], dim=1))[:, :2]
    grid = affine_grid(inverse, list(moving.shape), align_corners=False)
    return grid_sample(moving, grid, align_corners=False, padding_mode="zeros")
