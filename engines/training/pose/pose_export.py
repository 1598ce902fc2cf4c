"""The pose network as an ONNX graph: live searches ask it without loading torch."""

from __future__ import annotations

import copy
import warnings

import onnx
import torch

from engines.networks.pose_answer import PICTURE_PX
from engines.networks.pose_network import PoseNetwork
from engines.training.segmentation.export import store_weights_halved


def pose_graph(net: PoseNetwork) -> bytes:
    """The network with the weights that its safetensors file keeps, for any number of pictures."""
    net = copy.deepcopy(net).eval()
    net.load_state_dict({n: v.half().float() if v.is_floating_point() else v for n, v in net.state_dict().items()})
    pictures = torch.zeros(2, 2, PICTURE_PX, PICTURE_PX)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter do not concern this code
        program = torch.onnx.export(
            net, (pictures,), dynamo=True, external_data=False, opset_version=20, verbose=False,
            input_names=["pictures"], output_names=["motions"], dynamic_shapes=({0: torch.export.Dim("n")},),
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # the exporter's stack traces hold paths of the training machine
    store_weights_halved(model)
    onnx.checker.check_model(model)
    return model.SerializeToString()
