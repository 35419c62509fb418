"""An iteration of TAUDL: per-camera batch norm, both losses, Adam; and the release's mistakes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from genreid.losses.taudl import CctaConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckConfig, build_neck_network
from genreid.models.precision import Compute
from genreid.training.optimizers import make_adam
from genreid.training.taudl_config import TaudlTraining
from genreid.training.taudl_step import TaudlSetup, taudl_step
from tests.drawn_tensors import fill, normal
from tests.oracles import cluster_oracle, taudl_oracle

COUNTS = (3, 4, 2, 3)
LABELS = torch.tensor([0, 0, 2, 2, 3, 3, 1, 1, 0, 0, 1, 1, 2, 2, 1, 1])
CONFIG = TaudlTraining(
    iterations=4,
    batch=16,
    images=2,
    association=0.6,
    learning_rate=1e-3,
    weight_decay=0.01,
    neck=NeckConfig(pooling="average", kind="linear", width=12),
)


def make_setup(config: TaudlTraining = CONFIG) -> TaudlSetup:
    network = build_neck_network(BackboneConfig("test_resnet", weights="none"), config.neck).double()
    heads = nn.ModuleList([nn.Linear(12, count) for count in COUNTS]).double()
    fill(network, "taudl")
    fill(heads, "heads")
    adam = make_adam(nn.ModuleList([network, heads]), config.learning_rate, (0.9, 0.999), config.weight_decay)
    return TaudlSetup(network, heads, adam, config, Compute(torch.device("cpu"), bf16=False))


def images(step: int = 0) -> Tensor:
    return torch.tanh(normal(f"images {step}", 16, 3, 32, 16))


def literal(setup: TaudlSetup, step: int, cameras: list[int]) -> dict[str, Tensor]:
    """Both losses from the oracle, each camera forwarded by itself."""
    parts = [setup.network.embed(images(step)[4 * camera : 4 * camera + 4]) for camera in range(4)]
    logits = [head(part) for head, part in zip(setup.heads, parts, strict=True)]
    tracklets = torch.stack([(pair[0] + pair[1]) / 2 for part in parts for pair in (part[:2], part[2:])])
    return {
        "discrimination": taudl_oracle.pctd(logits, torch.split(LABELS, 4)),
        "association": taudl_oracle.ccta(tracklets, cameras, neighbours=2),
    }


def test_four_iterations_are_adam_on_both_losses() -> None:
    setup, twin = make_setup(), make_setup()
    trained = {**dict(twin.network.named_parameters()), **dict(twin.heads.named_parameters())}
    start = {name: value.detach().numpy().copy() for name, value in trained.items()}
    gradients: dict[str, list[cluster_oracle.Array]] = {name: [] for name in trained}
    rates = [taudl_oracle.rate(step, 4, 1e-3) for step in range(4)]
    assert rates[2] == 1e-3 > rates[3] > 0
    for step in range(4):
        terms = taudl_step(setup, images(step), LABELS, step)
        twin.network.train()
        expected = literal(twin, step, [0, 0, 1, 1, 2, 2, 3, 3])
        for name, value in expected.items():
            assert terms[name].item() == pytest.approx(value.item(), rel=1e-7), name
        for value in trained.values():
            value.grad = None
        torch.autograd.backward(0.4 * expected["discrimination"] + 0.6 * expected["association"])
        for name, value in trained.items():
            assert value.grad is not None
            gradients[name].append(value.grad.numpy().copy())
            moved = cluster_oracle.adam(start[name], gradients[name], rates[: step + 1], 0.01)
            value.data.copy_(torch.from_numpy(moved))
    for name, value in [*setup.network.named_parameters(), *setup.heads.named_parameters()]:
        torch.testing.assert_close(value, trained[name], rtol=1e-6, atol=1e-8, msg=f"{name} differs")


def test_accuracy_is_the_share_that_is_right() -> None:
    setup = make_setup()
    setup.network.train()
    right = [
        head(setup.network.embed(part)).argmax(1) == labels
        for head, part, labels in zip(
            setup.heads, torch.split(images(), 4), torch.split(LABELS, 4), strict=True
        )
    ]
    terms = taudl_step(make_setup(), images(), LABELS, 0)
    assert terms["accuracy"].item() == pytest.approx(torch.cat(right).double().mean().item())


def test_interleaved_cameras_are_the_releases_mistake() -> None:
    config = replace(CONFIG, ccta=CctaConfig(interleaved_cameras=True))
    twin = make_setup()
    twin.network.train()
    different = 0
    for step in range(8):
        wrong = literal(twin, step, [0, 1, 2, 3, 0, 1, 2, 3])["association"].item()
        right = literal(twin, step, [0, 0, 1, 1, 2, 2, 3, 3])["association"].item()
        found = taudl_step(make_setup(config), images(step), LABELS, 0)["association"].item()
        assert found == pytest.approx(wrong)
        different += wrong != pytest.approx(right)
    assert different


@pytest.mark.parametrize(("cameras", "each", "share"), [(6, 16, 0.166), (8, 12, 0.123)])
def test_the_share_of_pairs_that_the_mistake_spoils(cameras: int, each: int, share: float) -> None:
    """Spec C8b: of the candidates 16.6 % (Market-1501), 12.3 % (DukeMTMC) are of one camera."""
    from genreid.training.taudl_step import _cameras  # noqa: PLC0415

    total = cameras * each
    claimed, true = (_cameras(total, cameras, interleaved=value) for value in (True, False))
    candidates = claimed[:, None] != claimed[None, :]
    spoilt = candidates & (true[:, None] == true[None, :])
    assert spoilt.sum().item() / candidates.sum().item() == pytest.approx(share, abs=2e-3)


def test_batch_norm_sees_one_camera_at_a_time() -> None:
    seen: list[int] = []
    setup = make_setup()
    norm = next(module for module in setup.network.modules() if isinstance(module, nn.BatchNorm2d))
    norm.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    taudl_step(setup, images(), LABELS, 0)
    assert seen == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": 0}, "1 or more, got 4, 16, 0"),
        ({"association": 1.5}, r"association in \[0, 1\]"),
        ({"hold": 1.0}, r"hold in \[0, 1\)"),
        ({"crop_area": 0.0}, r"crop_area in \(0, 1\]"),
        ({"weight_decay": -1.0}, "must be >= 0"),
        ({"discrimination": "max"}, "discrimination is sum or mean"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **settings)  # type: ignore[arg-type]
