"""DRU-Net, the deep residual U-Net of Li et al. (model-to-image registration, section II.B)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

INPUT_STRIDE_PX = 16  # four 2x2 poolings: rows and columns must be multiples of it


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU, and the block's input added to its output.

    If the number of channels changes, the input passes through a 1x1 convolution first; the paper leaves that open.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )
        self.identity = (
            nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1, bias=False)
        )

    def forward(self, features: Float[Tensor, "n c_in rows columns"]) -> Float[Tensor, "n c_out rows columns"]:
        return self.identity(features) + self.body(features)


class _UpBlock(nn.Module):
    """Upsample, concatenate with the contracting path, fuse.

    Args:
        drawn: as the paper draws it, nothing is narrowed before the concatenation.
    """

    def __init__(self, channels_low: int, channels_skip: int, *, drawn: bool) -> None:
        super().__init__()
        # Narrowed before upsampling, because a CPU spends most time on the full-resolution concatenation.
        self.narrow = nn.Identity() if drawn else nn.Conv2d(channels_low, channels_skip, 1, bias=False)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.fuse = ResidualBlock((channels_low if drawn else channels_skip) + channels_skip, channels_skip)

    def forward(
        self, low: Float[Tensor, "n c_low h w"], skip: Float[Tensor, "n c_skip rows columns"]
    ) -> Float[Tensor, "n c_skip rows columns"]:
        return self.fuse(torch.cat([self.up(self.narrow(low)), skip], dim=1))


class DruNet(nn.Module):
    """Encoder of four residual blocks with 2x2 max-pooling after each, decoder by upsampling and concatenation.

    Returns one LOGIT map per class; classes are independent (a device may cross a vessel), so a sigmoid follows.

    Args:
        classes: number of output maps.
        width: channels of the first block; each next block has twice as many (default 16-32-64-128), and the
            bottom block has as many as the last.
        channels: input channels (see `engines.segmentation.conditioning`); the paper has one, the picture itself.
        drawn: decoder as the paper draws it: what comes from below is concatenated whole.
    """

    def __init__(self, classes: int, width: int = 16, channels: int = 2, *, drawn: bool = False) -> None:
        super().__init__()
        self.drawn = drawn
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.width, self.channels, self.classes = width, channels, classes
        self.encoder = nn.ModuleList(
            ResidualBlock(before, after) for before, after in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottom = ResidualBlock(widths[-1], widths[-1])
        lows = [widths[-1], *widths[:0:-1]]
        self.decoder = nn.ModuleList(
            _UpBlock(low, skip, drawn=drawn) for low, skip in zip(lows, widths[::-1], strict=True)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n classes rows columns"]:
        skips = []
        features = image
        for block in self.encoder:
            features = block(features)
            skips.append(features)
            features = self.pool(features)
        features = self.bottom(features)
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            features = up(features, skip)
        return self.head(features)


class ProbabilityNet(nn.Module):
    """The network as it is shipped: takes float32 and returns probabilities."""

    def __init__(self, net: DruNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n classes rows columns"]:
        return torch.sigmoid(self.net(image))
