import pytest
import torch

from engines.networks.dru_net import INPUT_STRIDE_PX, DruNet, ProbabilityNet, ResidualBlock


@pytest.mark.parametrize("shape", [(16, 16), (32, 48), (64, 16)])
def test_output_has_one_map_a_class_on_the_input_grid(shape):
    net = ProbabilityNet(DruNet(3, width=4)).eval()
    with torch.inference_mode():
        probabilities = net(torch.randn(2, 2, *shape))
    assert probabilities.shape == (2, 3, *shape)
    assert probabilities.dtype == torch.float32
    assert 0 <= float(probabilities.min()) <= float(probabilities.max()) <= 1


def test_four_poolings_set_the_stride():
    assert 2 ** len(DruNet(1, width=4).encoder) == INPUT_STRIDE_PX


def test_residual_block_adds_its_input():
    block = ResidualBlock(4, 4).eval()
    for convolution in (block.body[0], block.body[3]):
        torch.nn.init.zeros_(convolution.weight)
    features = torch.randn(1, 4, 8, 8)
    with torch.inference_mode():
        assert torch.equal(block(features), features)


def test_default_widths_double_from_sixteen():
    widths = [block.body[0].out_channels for block in DruNet(2).encoder]
    assert widths == [16, 32, 64, 128]


def test_the_decoder_as_drawn_concatenates_all_that_comes_from_below():
    drawn = DruNet(1, width=4, channels=1, drawn=True)
    inputs = [up.fuse.body[0].in_channels for up in drawn.decoder]
    assert inputs == [32 + 32, 32 + 16, 16 + 8, 8 + 4]
    assert [up.fuse.body[0].in_channels for up in DruNet(1, width=4).decoder] == [64, 32, 16, 8]
    with torch.inference_mode():
        assert drawn.eval()(torch.randn(1, 1, 32, 16)).shape == (1, 1, 32, 16)
