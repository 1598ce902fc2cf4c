"""Going on from where a training stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from calibration.errors import InputError


def read_checkpoint(path: Path, recipe: dict[str, Any], *, of: str, device: str = "cpu") -> dict[str, Any]:
    """What a checkpoint holds.

    Args:
        recipe: of the training that is to go on; a checkpoint of another one is refused.
        of: what is trained, for a person.

    Raises:
        InputError: not readable, or of another recipe.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        found = content["recipe"]
    except Exception as error:  # torch raises whatever its unpickler meets
        raise InputError(f"{path}: no checkpoint of {of} ({error}); remove it to begin anew") from error
    if found != recipe:
        raise InputError(f"{path}: belongs to another recipe ({found}); choose another --out, or remove it")
    return content
