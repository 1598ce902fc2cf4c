"""A narrow network cut out of a wide one: its strongest channels, as the start of a distillation.

What is cut out answers badly by itself, and learns to answer well in a fraction of the steps that random weights need
(Li et al., "Pruning filters for efficient ConvNets", ICLR 2017).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from engines.networks.dru_net import DruNet, ResidualBlock

Channels = Int[Tensor, " kept"]


def narrowed(wide: DruNet, width: int, pictures: Float[Tensor, "n channels rows columns"]) -> DruNet:
    """A network of the given width with the channels of `wide` that vary most over these pictures.

    Raises:
        ValueError: the network is not wider than that, or has the decoder as published.
    """
    if width >= wide.width or wide.drawn:
        raise ValueError(f"a network of width {wide.width} cannot be cut to {width}")
    net = DruNet(wide.classes, width, wide.channels)
    spread = _Spread(wide, pictures)
    inside: Channels = torch.arange(wide.channels)
    skips: list[Channels] = []
    blocks = [*zip(wide.encoder, net.encoder, strict=True), (wide.bottom, net.bottom)]
    for block, target in blocks:
        inside = _cut_block(block, target, inside, spread)
        skips.append(inside)
    low = skips.pop()
    for wide_up, up in zip(wide.decoder, net.decoder, strict=True):
        skip, before, after = skips.pop(), _convolution(wide_up, "narrow"), _convolution(up, "narrow")
        narrow = spread.strongest(before, after.out_channels)
        _cut(before, after, narrow, low)
        low = _cut_block(
            wide_up.get_submodule("fuse"), up.get_submodule("fuse"),
            torch.cat([narrow, skip + before.out_channels]), spread,
        )  # fmt: skip
    _cut(wide.head, net.head, torch.arange(wide.classes), low)
    return net


class _Spread:
    """How much each channel of a module's answer varies over pictures."""

    def __init__(self, wide: DruNet, pictures: Tensor) -> None:
        self._of: dict[nn.Module, Tensor] = {}
        watched = [m for m in wide.modules() if isinstance(m, nn.Conv2d | nn.ReLU | ResidualBlock)]
        hooks = [module.register_forward_hook(self._note) for module in watched]
        with torch.no_grad():
            wide.eval()(pictures)
        for hook in hooks:
            hook.remove()

    def _note(self, module: nn.Module, _: object, answer: Tensor) -> None:
        self._of[module] = answer.std(dim=(0, 2, 3))

    def strongest(self, module: nn.Module, count: int) -> Channels:
        return self._of[module].topk(count).indices.sort().values


def _cut_block(wide: nn.Module, narrow: nn.Module, inside: Channels, spread: _Spread) -> Channels:
    """Fill the narrow block; the wide block's channels that its answer keeps."""
    middle = spread.strongest(wide.get_submodule("body.2"), _convolution(narrow, "body.0").out_channels)
    # Without a convolution on the shortcut, what goes in is added as it is.
    plain = isinstance(wide.get_submodule("identity"), nn.Identity)
    outside = inside if plain else spread.strongest(wide, _convolution(narrow, "body.3").out_channels)
    for place, kept, before in ((0, middle, inside), (3, outside, middle)):
        _cut(_convolution(wide, f"body.{place}"), _convolution(narrow, f"body.{place}"), kept, before)
        norm = f"body.{place + 1}"
        for name, values in wide.get_submodule(norm).state_dict().items():
            if values.ndim:
                narrow.get_submodule(norm).state_dict()[name].copy_(values[kept])
    if not plain:
        _cut(_convolution(wide, "identity"), _convolution(narrow, "identity"), outside, inside)
    return outside


def _cut(wide: nn.Conv2d, narrow: nn.Conv2d, kept: Channels, before: Channels) -> None:
    with torch.no_grad():
        narrow.weight.copy_(wide.weight[kept][:, before])
        if wide.bias is not None and narrow.bias is not None:
            narrow.bias.copy_(wide.bias[kept])


def _convolution(of: nn.Module, name: str) -> nn.Conv2d:
    found = of.get_submodule(name)
    assert isinstance(found, nn.Conv2d), name
    return found
