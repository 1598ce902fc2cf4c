"""Parts of the correlation network's encoder.

All activations are smooth, because training differentiates the network's gradient once more.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

_GROUPS = 4
_MOST_LOG_SCALE = 1.0  # limit of a coupling's log scale: keeps three couplings in a row invertible in float32


class Stage(nn.Module):
    """Halve the picture (or keep its size), then a residual convolution."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.GroupNorm(_GROUPS, after), nn.SiLU()
        )
        self.stay = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.GroupNorm(_GROUPS, after))
        self.smooth = nn.SiLU()

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        picture = self.enter(picture)
        return self.smooth(picture + self.stay(picture))


class FourierBlock(nn.Module):
    """Fast Fourier convolution as a residual (Chi et al. 2020); half of the channels cover the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.near = nn.Conv2d(channels, half, 3, padding=1, bias=False)
        self.reduce = nn.Conv2d(channels, half, 1, bias=False)
        self.spectral = nn.Sequential(nn.Conv2d(2 * half, 2 * half, 1), nn.SiLU(), nn.Conv2d(2 * half, 2 * half, 1))
        self.norm = nn.GroupNorm(_GROUPS, 2 * half)
        self.smooth = nn.SiLU()

    def forward(self, features: Float[torch.Tensor, "n c rows columns"]) -> Float[torch.Tensor, "n c rows columns"]:
        spectrum = torch.fft.rfft2(self.reduce(features), norm="ortho")
        mixed = self.spectral(torch.cat([spectrum.real, spectrum.imag], dim=1))
        real, imaginary = mixed.chunk(2, dim=1)
        whole = torch.fft.irfft2(torch.complex(real, imaginary), s=features.shape[-2:], norm="ortho")
        return self.smooth(features + self.norm(torch.cat([self.near(features), whole], dim=1)))


class Coupling(nn.Module):
    """One affine coupling step (Dinh et al. 2017); it is invertible, so it loses no detail.

    Args:
        depthwise: whether to use the published inverted bottleneck; on a CPU its second derivative takes one
            convolution per channel, six times the time of a plain convolution.
    """

    def __init__(self, channels: int, *, depthwise: bool = False) -> None:
        super().__init__()
        half = channels // 2
        self.add, self.shift, self.scale = (_bottleneck(half) if depthwise else _plain(half) for _ in range(3))

    def forward(self, features: Float[torch.Tensor, "n c rows columns"]) -> Float[torch.Tensor, "n c rows columns"]:
        first, second = features.chunk(2, dim=1)
        second = second + self.add(first)
        first = first * torch.exp(self._log_scale(second)) + self.shift(second)
        return torch.cat([second, first], dim=1)  # swap the halves, so that the next step changes the other one

    def inverse(self, features: Float[torch.Tensor, "n c rows columns"]) -> Float[torch.Tensor, "n c rows columns"]:
        """The input that `forward` maps to these features."""
        second, first = features.chunk(2, dim=1)
        first = (first - self.shift(second)) * torch.exp(-self._log_scale(second))
        return torch.cat([first, second - self.add(first)], dim=1)

    def _log_scale(self, features: torch.Tensor) -> torch.Tensor:
        return _MOST_LOG_SCALE * torch.tanh(self.scale(features))


def _plain(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
        nn.SiLU(),
        nn.Conv2d(channels, channels, 1),
    )


def _bottleneck(channels: int) -> nn.Sequential:
    """An inverted bottleneck without its residual: widen, convolve each channel, narrow."""
    wide = 2 * channels
    return nn.Sequential(
        nn.Conv2d(channels, wide, 1),
        nn.SiLU(),
        nn.Conv2d(wide, wide, 3, padding=1, padding_mode="reflect", groups=wide),
        nn.SiLU(),
        nn.Conv2d(wide, channels, 1),
    )
