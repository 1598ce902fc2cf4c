"""Weights between the start of a training and its end."""

from pathlib import Path

import pytest
import torch

from calibration.errors import InputError
from engines.inference.model_files import ModelFiles, read_manifest
from engines.inference.network_weights import load_network
from engines.networks.dru_net import DruNet
from engines.training.segmentation import weight_averaging
from engines.training.segmentation.segmentation_recipe import Recipe, load_average, train

_TINY = Recipe(scene="aortic-lower", steps=2, width=4, batch=2, patch_px=64)


def test_a_share_interpolates_and_its_ends_are_the_two_networks() -> None:
    before, after = DruNet(2, 4), DruNet(2, 4)
    for share in (0.0, 0.25, 1.0):
        found = weight_averaging.averaged(before, after, share).state_dict()
        for name, value in after.state_dict().items():
            if value.dtype.is_floating_point:
                assert torch.allclose(found[name], (1 - share) * before.state_dict()[name] + share * value, atol=1e-6)


def test_networks_of_other_shapes_and_impossible_shares_are_refused() -> None:
    with pytest.raises(InputError, match="other widths"):
        weight_averaging.averaged(DruNet(2, 4), DruNet(2, 8), 0.5)
    with pytest.raises(InputError, match="0 to 1"):
        weight_averaging.averaged(DruNet(2, 4), DruNet(2, 4), 1.5)


def test_what_is_written_is_the_mean_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(_TINY, tmp_path / "before.pt")
    train(Recipe(scene="aortic-lower", steps=2, seed=2, width=4, batch=2, patch_px=64,
                 initial=str(tmp_path / "before.pt")), tmp_path / "after.pt")  # fmt: skip
    few = weight_averaging.hold_out
    monkeypatch.setattr(weight_averaging, "hold_out", lambda *args, **more: few(*args, **more, pictures=2))
    record = weight_averaging.write_averaged(
        "aortic-lower", tmp_path / "before.pt", tmp_path / "after.pt", 0.5, tmp_path / "out", ""
    )
    assert read_manifest(tmp_path / "out").models["aortic-lower"] == record
    assert "mean of those at the start (50%) and those at the end (50%)" in record.data
    assert record.initial == "before"
    assert record.data in (tmp_path / "out" / "aortic-lower.md").read_text(encoding="utf-8")
    before, after = (load_average(tmp_path / name)[0] for name in ("before.pt", "after.pt"))
    expected = weight_averaging.averaged(before, after, 0.5).state_dict()
    found = load_network(ModelFiles(name="aortic-lower", folder=tmp_path / "out", record=record)).state_dict()
    for name, value in expected.items():
        assert torch.allclose(found[name].float(), value.float(), rtol=2e-3, atol=1e-3), name
    with pytest.raises(InputError, match="not for coronary"):
        weight_averaging.write_averaged(
            "coronary", tmp_path / "before.pt", tmp_path / "after.pt", 0.5, tmp_path / "out", ""
        )
