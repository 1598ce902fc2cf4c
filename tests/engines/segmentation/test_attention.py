import numpy as np
import pytest
import torch

from calibration.errors import InputError
from engines.angiography.frame import Frame
from engines.inference.model_files import BUNDLED_MODELS, ModelFiles, read_manifest
from engines.networks.dru_net import DruNet
from engines.segmentation.attention import LAYERS, AttentionMapper, attention_picture, grad_cam, layer_named
from engines.segmentation.scenes import SCENES
from engines.simulation.angiograms.angiogram_synthesis import synthesize


@pytest.fixture(scope="module")
def mapper():
    record = read_manifest().models["coronary"]
    return AttentionMapper(ModelFiles(name="coronary", folder=BUNDLED_MODELS, record=record))


@pytest.fixture(scope="module")
def frame():
    """A thick dark curve that any coronary network finds."""
    row, column = np.mgrid[:160, :200]
    across = np.abs(row - 80 - 20 * np.sin(column / 30))
    noise = np.random.default_rng(0).normal(0, 2, row.shape)
    pixels = np.clip(170 - 90 * np.exp(-((across / 4) ** 2)) + noise, 0, 255)
    return Frame(pixels=pixels.astype(np.uint8), kind="fluoro")


def test_every_layer_of_the_network_has_a_name():
    net = DruNet(2, 4)
    assert len({id(layer_named(net, name)) for name in LAYERS}) == len(LAYERS) == 9


def test_evidence_for_a_vessel_lies_on_it(mapper, frame):
    seen = mapper.explain(frame, "vessel")
    assert seen.values.shape == frame.shape_px
    assert seen.found.any()
    assert (seen.values.min(), seen.values.max()) == (0, 1)
    assert seen.values[seen.found].mean() > 2 * seen.values[~seen.found].mean()


def test_the_map_weighs_channels_by_their_mean_gradient():
    """Equation 1 and 2 of Grad-CAM, written out."""
    torch.manual_seed(0)
    net = DruNet(2, 4).eval()
    image, found = torch.randn(1, 2, 32, 48), torch.zeros(32, 48, dtype=torch.bool)
    found[8:20, 10:30] = True
    kept = []
    hook = net.decoder[3].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    score = (net(image)[0, 1] * found).sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(score, kept)
    expected = torch.relu((gradient.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(dim=1))[0].detach().numpy()
    np.testing.assert_allclose(grad_cam(net, net.decoder[3], image, 1, found), expected, atol=1e-5)


def test_a_frame_that_shows_nothing_has_no_evidence(mapper):
    seen = mapper.explain(Frame(pixels=np.zeros((40, 60), np.uint8), kind="fluoro"), "vessel")
    assert not seen.values.any()
    assert attention_picture(Frame(pixels=np.zeros((40, 60), np.uint8), kind="fluoro"), seen).shape[0] > 40


def test_unknown_classes_and_layers_name_the_nearest(mapper, frame):
    with pytest.raises(InputError, match="did you mean 'vessel'"):
        mapper.explain(frame, "vesel")
    with pytest.raises(InputError, match="did you mean 'decoder-3'"):
        mapper.explain(frame, "vessel", "decoder3")


def test_synthetic_pictures_can_be_explained(mapper):
    picture = synthesize(SCENES["coronary"], 7, 3, 128).picture
    seen = mapper.explain(Frame(pixels=picture.astype(np.uint8), kind="fluoro"), "device", "bottom")
    assert np.isfinite(seen.values).all()
