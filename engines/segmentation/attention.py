"""Show which parts of a picture a network's answer for a class depends on: Grad-CAM (Selvaraju et al., ICCV 2017).

For a segmentation, the explained score is the sum of the class's logits over the pixels in which it was found
(Vinogradova et al., AAAI 2020). The map of a deep layer is coarse: it shows where the evidence lies, not the edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from calibration.errors import InputError
from engines.angiography.contrast_gate import Background
from engines.angiography.frame import Frame
from engines.inference.model_files import ModelFiles
from engines.inference.network_weights import load_network
from engines.networks.dru_net import DruNet
from engines.segmentation.scenes import nearest, shows_polarity
from engines.segmentation.segmenter import condition_frame, network_input

LAYERS = (
    "encoder-1",
    "encoder-2",
    "encoder-3",
    "encoder-4",
    "bottom",
    "decoder-1",
    "decoder-2",
    "decoder-3",
    "decoder-4",
)
STANDARD_LAYER = "decoder-3"
RESEARCH_LINE = "Research use only - not a medical device"
_FOOT_PX = 44
_LEAST_WIDTH_PX = 480  # for the words below the picture
_MOST_ENLARGED = 4
_TEXT_BGR = (220, 217, 214)
_OUTLINE_BGR = (255, 208, 63)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttentionMap:
    """The evidence for a class on the frame's grid.

    Args:
        values: 0 for no evidence, 1 for the strongest in this frame; all 0 if the class was not found.
        found: mask of the pixels in which the class was found.
        class_name: the class asked for.
        layer: one of `LAYERS`.
    """

    values: Float[np.ndarray, "rows columns"]
    found: Bool[np.ndarray, "rows columns"]
    class_name: str
    layer: str


class AttentionMapper:
    """Explains one network, in about three times the time of a segmentation in torch. For one thread at a time."""

    def __init__(self, files: ModelFiles) -> None:
        """Raises InputError for unusable weights."""
        self._record = files.record
        self._shows_polarity = shows_polarity(files.name)
        self._net = load_network(files)

    def explain(
        self, frame: Frame, class_name: str, layer: str = STANDARD_LAYER, *, background: Background | None = None
    ) -> AttentionMap:
        """The map of one class at one layer.

        Args:
            background: as for `Segmenter.segment`.

        Raises:
            InputError: the network has no such class or layer.
        """
        if class_name not in self._record.classes:
            raise InputError(f"no class is called {class_name!r}; {nearest(class_name, self._record.classes)}")
        block = layer_named(self._net, layer)
        shape = frame.shape_px
        conditioned = condition_frame(frame, self._record.working_px, detect_polarity=self._shows_polarity)
        nothing = AttentionMap(
            values=np.zeros(shape, np.float32), found=np.zeros(shape, bool), class_name=class_name, layer=layer
        )
        if conditioned is None:
            return nothing
        channel = self._record.classes.index(class_name)
        image = torch.from_numpy(network_input(frame, conditioned, self._net.channels, background)[None])
        with torch.no_grad():
            found = torch.sigmoid(self._net(image))[0, channel] >= self._record.threshold
        field = conditioned.field_of_view
        if field is not None:
            found = found & torch.from_numpy(field)
        if not found.any():
            return nothing
        heat = grad_cam(self._net, block, image, channel, found)
        if field is not None:
            heat = heat * field
        rows, columns = shape
        full = cv2.resize(heat, (columns, rows), interpolation=cv2.INTER_LINEAR)
        where = cv2.resize(found.numpy().astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST) > 0
        return AttentionMap(
            values=full / max(float(full.max()), 1e-12), found=where, class_name=class_name, layer=layer
        )  # fmt: skip


def check_layer(name: str) -> None:
    """Refuse an unknown layer. Raises InputError that suggests the nearest known name."""
    if name not in LAYERS:
        raise InputError(f"no layer is called {name!r}; {nearest(name, LAYERS)}")


def layer_named(net: DruNet, name: str) -> nn.Module:
    """The network's layer of this name. Raises InputError that suggests the nearest known name."""
    check_layer(name)
    if name == "bottom":
        return net.bottom
    side, _, number = name.partition("-")
    return (net.encoder if side == "encoder" else net.decoder)[int(number) - 1]


def grad_cam(
    net: DruNet,
    layer: nn.Module,
    image: Float[Tensor, "1 channels rows columns"],
    channel: int,
    found: Bool[Tensor, "rows columns"],
) -> Float[np.ndarray, "rows columns"]:
    """Positive evidence for the logits of one channel over the pixels in `found`, on the image's grid."""
    from captum.attr import LayerAttribution, LayerGradCam

    def score(batch: Tensor) -> Tensor:
        return (net(batch) * found).sum(dim=(2, 3))

    evidence = LayerGradCam(score, layer).attribute(image, target=channel, relu_attributions=True)
    assert isinstance(evidence, Tensor)
    rows, columns = image.shape[2:]
    spread = LayerAttribution.interpolate(evidence, (rows, columns), interpolate_mode="bilinear")
    assert isinstance(spread, Tensor)
    return spread[0, 0].detach().numpy()


def attention_picture(frame: Frame, attention: AttentionMap) -> UInt8[np.ndarray, "rows columns 3"]:
    """The picture with evidence as heat, the found class as an outline, a legend, and the research-use line."""
    values = frame.pixels.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.5])
    grey = np.clip((values - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)
    heat = cv2.applyColorMap((attention.values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = (0.15 + 0.5 * attention.values)[..., None]
    page = (cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) * (1 - weight) + heat * weight).astype(np.uint8)
    contours, _ = cv2.findContours(attention.found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(page, contours, -1, _OUTLINE_BGR, 1)
    enlarge = min(-(-_LEAST_WIDTH_PX // page.shape[1]), _MOST_ENLARGED)
    page = cv2.resize(page, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_NEAREST)
    page = cv2.copyMakeBorder(
        page, 0, _FOOT_PX, 0, max(_LEAST_WIDTH_PX - page.shape[1], 0), cv2.BORDER_CONSTANT, value=(14, 14, 14)
    )
    seen = "evidence dark to bright, outline: found" if attention.found.any() else "not found in this frame"
    words = f"Grad-CAM {attention.class_name}, {attention.layer}: {seen}"
    for text, above in ((words, 28), (RESEARCH_LINE, 10)):
        cv2.putText(
            page, text, (6, page.shape[0] - above), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _TEXT_BGR, 1, cv2.LINE_AA
        )  # fmt: skip
    return page
