"""Re-estimated batch-norm statistics: equal averages of the batches' statistics, and nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genreid.data.bank import ImageBank
from genreid.features.bn_statistics import (
    BnEstimation,
    BnImages,
    reestimate_bn_statistics,
    reestimate_from_folder,
)
from genreid.models.backbone import BackboneConfig, InputStatistics, ReidNetwork, build_reid_network
from genreid.models.precision import Compute
from tests.drawn_datasets import Canvas, Shot, draw_market1501

FP32 = Compute(torch.device("cpu"), bf16=False)
GREY = InputStatistics((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class TwoNorms(nn.Module):
    """conv, norm, ReLU, conv, norm: as small as a backbone can be."""

    num_features = 5

    def __init__(self) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4)
        self.second, self.second_norm = nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.first_norm(self.first(x)).relu()
        mapped: Tensor = self.second_norm(self.second(x))
        return mapped


def two_norms() -> ReidNetwork:
    torch.manual_seed(0)
    network = ReidNetwork(TwoNorms(), 3, BackboneConfig(dropout=0.5), GREY)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.uniform_(norm.running_mean, 5, 6)  # type: ignore[arg-type]
    return network


def bank_of(count: int, size: tuple[int, int] = (16, 8)) -> ImageBank:
    array = np.random.default_rng(0).integers(0, 256, (count, 3, *size), np.uint8)
    array[: count // 2] //= 3  # so that it matters which images fall into one batch
    return ImageBank(tuple(Path(str(row)) for row in range(count)), array, {})


def plain_statistics(network: ReidNetwork, batches: list[Tensor]) -> dict[str, Tensor]:
    """By the definition: per batch, normalise with the batch's own moments; then average over the batches."""
    parts = dict(network.backbone.named_modules())
    rows: dict[str, list[Tensor]] = {"first": [], "second": []}
    for images in batches:
        x = images.double() / 127.5 - 1
        for name in ("first", "second"):
            conv, norm = parts[name], parts[f"{name}_norm"]
            x = nn.functional.conv2d(x, conv.weight.double(), conv.bias.double(), 2, 1)
            values = x.transpose(0, 1).flatten(1)
            mean = values.sum(1) / values.shape[1]
            square = (values - mean[:, None]).square().sum(1)
            rows[name].append(torch.stack([mean, square / (values.shape[1] - 1)]))
            scale = norm.weight.double() / torch.sqrt(square / values.shape[1] + norm.eps)
            x = (x - mean.view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1) + norm.bias.double().view(1, -1, 1, 1)
            x = x.clamp_min(0)
    return {name: torch.stack(found).mean(0) for name, found in rows.items()}


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"), [(12, 4, [4, 4, 4]), (11, 4, [4, 4, 3]), (5, 8, [5])]
)
def test_statistics_are_the_plain_averages(count: int, batch_size: int, sizes: list[int]) -> None:
    network, bank = two_norms(), bank_of(count)
    rows = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    expected = plain_statistics(network, [bank.gather(part) for part in torch.split(rows, sizes)])
    assert reestimate_bn_statistics(network, bank, rows, FP32, batch_size) == count
    for name, (mean, variance) in expected.items():
        norm = network.backbone.get_submodule(f"{name}_norm")
        assert isinstance(norm, nn.BatchNorm2d)
        torch.testing.assert_close(norm.running_mean, mean.float(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(norm.running_var, variance.float(), atol=1e-5, rtol=1e-5)


def test_no_weight_and_no_mode_changes() -> None:
    network = two_norms().train()
    network.backbone.get_submodule("first_norm").eval()
    before = {name: value.clone() for name, value in network.named_parameters()}
    modes = [module.training for module in network.modules()]
    reestimate_bn_statistics(network, bank_of(6), torch.arange(6), FP32, 3)
    torch.testing.assert_close(dict(network.named_parameters()), before, atol=0, rtol=0)
    assert [module.training for module in network.modules()] == modes
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [norm.momentum for norm in norms] == [0.1, 0.1]


def test_what_was_stored_before_does_not_matter() -> None:
    first, second = two_norms(), two_norms()
    reestimate_bn_statistics(first, bank_of(8), torch.arange(8), FP32, 4)
    reestimate_bn_statistics(second, bank_of(5), torch.arange(5), FP32, 4)
    reestimate_bn_statistics(second, bank_of(8), torch.arange(8), FP32, 4)
    torch.testing.assert_close(first.state_dict(), second.state_dict(), atol=0, rtol=0)


def test_one_batch_makes_evaluation_equal_to_training() -> None:
    """With the statistics of all images, evaluation does what training does, up to N / (N - 1)."""
    network, bank = two_norms(), bank_of(64)
    reestimate_bn_statistics(network, bank, torch.arange(64), FP32, 64)
    images = bank.gather(torch.arange(64)) / 127.5 - 1
    with torch.no_grad():
        evaluated = network.eval().feature_map(images)
        trained = network.train().feature_map(images)
    torch.testing.assert_close(evaluated, trained, atol=0.01, rtol=0.01)


def test_no_batch_holds_a_single_image() -> None:
    assert reestimate_bn_statistics(two_norms(), bank_of(3, (4, 4)), torch.arange(3), FP32, 2) == 3


def test_the_bottlenecks_norm_learns_too() -> None:
    network = build_reid_network(BackboneConfig("test_resnet", weights="none", bottleneck=6), 2).eval()
    assert network.bottleneck is not None
    norm = network.bottleneck[1]
    assert isinstance(norm, nn.BatchNorm1d)
    seen: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _norm, inputs: seen.append(inputs[0]))
    reestimate_bn_statistics(network, bank_of(6, (64, 32)), torch.arange(6), FP32, 6)
    torch.testing.assert_close(norm.running_mean, seen[0].mean(0))
    torch.testing.assert_close(norm.running_var, seen[0].var(0))


def test_timms_norms_are_found() -> None:
    network = build_reid_network(BackboneConfig("test_resnet", weights="none"), 2).eval()
    before = {name: value.clone() for name, value in network.state_dict().items() if "running" in name}
    reestimate_bn_statistics(network, bank_of(6, (64, 32)), torch.arange(6), FP32, 6)
    changed = [name for name in before if not torch.equal(before[name], network.state_dict()[name])]
    assert changed == list(before)


def test_a_folders_training_images(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "market")
    first, second, images = two_norms(), two_norms(), BnImages(root, (16, 8))
    assert reestimate_from_folder(first, images, FP32, BnEstimation(images=None, batch_size=4)) == 16
    assert reestimate_from_folder(second, images, FP32, BnEstimation(images=6, batch_size=4)) == 6
    assert not torch.equal(first.state_dict()["backbone.first_norm.running_mean"], torch.zeros(4))
    unequal = first.state_dict()["backbone.first_norm.running_mean"]
    assert not torch.equal(unequal, second.state_dict()["backbone.first_norm.running_mean"])


def test_the_folder_is_read_as_told(tmp_path: Path) -> None:
    canvas = Canvas(tmp_path, (16, 8))
    for number in range(4):
        canvas.write(f"train/{number}_cam1.png", Shot(number, 1, 1))
    pattern = r"(?P<identity>\d)_cam(?P<camera>\d)"
    told = BnEstimation(format="folder", pattern=pattern)
    assert reestimate_from_folder(two_norms(), BnImages(tmp_path, (16, 8)), FP32, told) == 4
    with pytest.raises(ValueError, match="no variants"):
        reestimate_from_folder(
            two_norms(), BnImages(tmp_path, (16, 8)), FP32, BnEstimation(format="folder:x")
        )


def test_a_draw_is_a_function_of_the_seed() -> None:
    draw = BnEstimation(images=4, seed=7).draw(10)
    assert len(set(draw.tolist())) == 4
    assert torch.equal(draw, BnEstimation(images=4, seed=7).draw(10))
    assert not torch.equal(draw, BnEstimation(images=4, seed=8).draw(10))
    assert sorted(BnEstimation(images=99).draw(10).tolist()) == list(range(10))


@pytest.mark.parametrize(("images", "batch_size"), [(1, 64), (0, 64), (None, 1)])
def test_too_few_images_are_refused_at_birth(images: int | None, batch_size: int) -> None:
    with pytest.raises(ValueError, match="expected 2 or more"):
        BnEstimation(images, batch_size)


def test_too_few_readable_images() -> None:
    with pytest.raises(ValueError, match="at least 2 readable images, got 1"):
        reestimate_bn_statistics(two_norms(), bank_of(1), torch.arange(1), FP32)


def test_a_network_without_batch_norm() -> None:
    network = build_reid_network(BackboneConfig("test_convnext", weights="none"), 2)
    with pytest.raises(ValueError, match=r"no batch norm.*--bn-statistics stored"):
        reestimate_bn_statistics(network, bank_of(4), torch.arange(4), FP32)


def test_a_data_set_without_training_images(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "market")
    for path in (root / "bounding_box_train").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="no training images"):
        reestimate_from_folder(two_norms(), BnImages(root, (16, 8)), FP32, BnEstimation())
