"""An iteration of training D_cam: cross entropy, Adam, batch norms trained."""

from typing import Any

import pytest
import torch

from genreid.models.crgan import CameraDiscriminator, CameraDiscriminatorConfig
from genreid.training.camera_step import CameraConfig, CameraSetup, camera_step
from genreid.training.optimizers import make_adam
from tests.drawn_tensors import fill, normal, weights_of
from tests.oracles import crgan_oracle as oracle
from tests.tiny_stage_two import CPU

CAMERAS = torch.tensor([2, 0, 1, 1])


def make_setup() -> CameraSetup:
    network = CameraDiscriminator(CameraDiscriminatorConfig(width=4, dropout=0.0), 3).double()
    fill(network, "camera")
    config = CameraConfig(iterations=3, learning_rate=1e-3)
    return CameraSetup(network, make_adam(network, 1.0, (0.9, 0.999)), config, CPU)


def test_three_iterations_are_adam_on_the_cross_entropy() -> None:
    setup = make_setup()
    weights = weights_of(setup.network)
    learnt = {name: weights[name].requires_grad_() for name, _ in setup.network.named_parameters()}
    adam = oracle.LiteralAdam(learnt, (0.9, 0.999))
    setup.network.eval()  # the step must put it into training mode
    for step in range(3):
        images = torch.tanh(normal(f"images {step}", 4, 3, 32, 16))
        terms = camera_step(setup, images, CAMERAS)
        logits = oracle.camera_discriminator(weights, images, batch_statistics=True)
        expected = oracle.cross_entropy(logits.detach().numpy(), CAMERAS.tolist())
        assert terms["camera"].item() == pytest.approx(expected, rel=1e-9)
        assert terms["accuracy"].item() == pytest.approx((logits.argmax(1) == CAMERAS).double().mean().item())
        for value in learnt.values():
            value.grad = None
        torch.autograd.backward(-torch.log_softmax(logits, 1)[range(4), CAMERAS].mean())
        adam.step(1e-3)  # the rate of the settings, not the one that Adam was made with
    for name, parameter in setup.network.named_parameters():
        torch.testing.assert_close(parameter, learnt[name], rtol=0, atol=1e-9, msg=f"{name} differs")


def test_batch_norms_learn_the_targets_statistics() -> None:
    setup = make_setup()
    before = weights_of(setup.network)
    camera_step(setup, torch.tanh(normal("images", 4, 3, 32, 16)), CAMERAS)
    after = setup.network.state_dict()
    assert all(not torch.equal(after[name], before[name]) for name in after if "running" in name)


def test_settings() -> None:
    assert CameraConfig() == CameraConfig(iterations=30_000, batch=32, learning_rate=2e-4)


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"batch": 0}, {"learning_rate": 0.0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="camera training: iterations, batch and learning_rate"):
        CameraConfig(**wrong)
