"""Load a model's safetensors into a torch network."""

from __future__ import annotations

import safetensors
import safetensors.torch

from calibration.errors import InputError
from engines.inference.model_files import ModelFiles
from engines.networks.dru_net import DruNet


def load_network(files: ModelFiles) -> DruNet:
    """The network with its verified weights, in evaluation mode; it returns logits.

    Raises:
        InputError: the weights are missing, were changed, or belong to another network.
    """
    record = files.record
    net = DruNet(len(record.classes), record.width, record.channels, drawn=record.drawn)
    try:
        weights = safetensors.torch.load(files.read(files.safetensors))
        net.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        )
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{files.safetensors}: not the weights of {files.name} ({str(error).splitlines()[0]})"
        ) from error
    return net.eval()
