"""The published correlation network at its published size, for training on a GPU.

It follows the released code of Chen et al. 2024. That code differs from the poster: its global branch is a fast Fourier
convolution, not a transformer. The residual network on the volume is left out, because it needs the renderer in the
graph. Almost all of the weights lie in the two heads.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from engines.networks.correlation_blocks import Coupling, FourierBlock
from engines.networks.correlation_network import Comparison

PICTURE_PX = 256
_STAGES = (16, 32, 64, 64)
_FLAT = 64 * (PICTURE_PX // 2 ** len(_STAGES)) ** 2


class PaperNetwork(nn.Module):
    """Takes 256x256 pictures of three equal channels; X-ray and DRR share the shallow encoder, not the branches."""

    def __init__(self) -> None:
        super().__init__()
        self.shallow = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
        before = (8, *_STAGES[:-1])
        self.stages = nn.Sequential(*[_PoolStage(a, b) for a, b in zip(before, _STAGES, strict=True)])
        self.whole = nn.ModuleList([FourierBlock(64) for _ in range(2)])
        self.detail = nn.ModuleList(
            [nn.Sequential(*[Coupling(64, depthwise=True) for _ in range(3)]) for _ in range(2)]
        )
        self.whole_head, self.detail_head = PaperHead(), PaperHead()

    def forward(
        self, fixed: Float[torch.Tensor, "n 1 256 256"], moving: Float[torch.Tensor, "n 1 256 256"]
    ) -> Comparison:
        fixed_shared, moving_shared = (self.stages(self.shallow(x.expand(-1, 3, -1, -1))) for x in (fixed, moving))
        fixed_global, moving_global = self.whole[0](fixed_shared), self.whole[1](moving_shared)
        fixed_local, moving_local = self.detail[0](fixed_shared), self.detail[1](moving_shared)
        whole = self.whole_head((fixed_global - moving_global) ** 2)
        return Comparison(
            distance=whole * self.detail_head((fixed_local - moving_local) ** 2),  # the inner product of two scalars
            fixed_global=fixed_global,
            moving_global=moving_global,
            fixed_local=fixed_local,
            moving_local=moving_local,
        )


class PaperHead(nn.Module):
    """Maps flattened squared differences to one value, times a gate computed from the second hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.widest = nn.Sequential(nn.Linear(_FLAT, 8192), nn.GELU(), nn.Linear(8192, 4096), nn.GELU())
        self.value, self.gate = (_narrowing() for _ in range(2))

    def forward(self, squared: Float[torch.Tensor, "n 64 h w"]) -> Float[torch.Tensor, " n"]:
        hidden = self.widest(squared.flatten(1))
        return (self.value(hidden) * torch.sigmoid(self.gate(hidden)))[:, 0]


class _PoolStage(nn.Module):
    """Merges patches of 2x2, then applies two blocks that mix in the picture's mean."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(before, after, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(_GlobalPoolBlock(after), _GlobalPoolBlock(after))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.patches(picture))


class _GlobalPoolBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.norm_after = nn.GroupNorm(1, channels), nn.GroupNorm(1, channels)
        self.mix = nn.Linear(channels, channels)
        self.widen = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Dropout(0.1), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        features = features + self.mix(self.norm(features).mean(dim=(2, 3)))[:, :, None, None]
        return features + self.widen(self.norm_after(features))


def _narrowing() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4096, 1024), nn.GELU(), nn.Linear(1024, 256), nn.GELU(), nn.Linear(256, 1))
