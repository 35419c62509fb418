"""CR-GAN's networks: shapes and sizes of tables 8-10, every number against the oracle, the ablations."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from genreid.models.crgan import (
    CameraDiscriminator,
    CameraDiscriminatorConfig,
    ConditionPair,
    DomainDiscriminator,
    DomainDiscriminatorConfig,
    Generator,
    GeneratorConfig,
    Rendering,
    compose,
    encoder_levels,
)
from genreid.models.renderers import Composite
from tests.drawn_tensors import fill, normal, pair, weights_of
from tests.oracles import compositing_oracle as compositing
from tests.oracles import crgan_oracle as oracle

Size = tuple[int, int]

E2_TABLE: dict[Size, list[Size]] = {
    (224, 112): [(112, 56), (56, 28), (28, 14), (14, 7), (7, 4), (4, 2), (2, 1), (1, 1)],
    (256, 128): [(128, 64), (64, 32), (32, 16), (16, 8), (8, 4), (4, 2), (2, 1), (1, 1)],
    (128, 64): [(64, 32), (32, 16), (16, 8), (8, 4), (4, 2), (2, 1), (1, 1)],
}
"""Image size -> the maps of the dual path, of each encoder block and of the bottom (spec E2)."""
CHANNELS = [128, 256, 512, 512, 512, 512]
"""Channels of the encoder blocks (table 8)."""


def recorded(network: nn.Module, names: list[str], run: Callable[[], Any]) -> list[tuple[int, ...]]:
    """Run a network and return the output shapes of some of its modules."""
    shapes: dict[str, tuple[int, ...]] = {}

    def remember(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            shapes[name] = tuple(output.shape)

        return hook

    handles = [network.get_submodule(name).register_forward_hook(remember(name)) for name in names]
    run()
    for handle in handles:
        handle.remove()
    return [shapes[name] for name in names]


def meta_pair(size: Size) -> ConditionPair:
    images = torch.empty(1, 3, *size, device="meta")
    mask = torch.empty(1, 1, *size, device="meta")
    return ConditionPair(images, images, mask, mask)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def build(size: Size, config: GeneratorConfig | None = None) -> Generator:
    network = Generator(config or GeneratorConfig(width=2), *size).double()
    fill(network, "generator")
    return network


# Table 8


@pytest.mark.parametrize("size", E2_TABLE)
def test_every_map_of_the_generator_has_the_size_of_table_8(size: Size) -> None:
    with torch.device("meta"):
        network = Generator(GeneratorConfig(), *size)
    half, *encoder, bottom = E2_TABLE[size]
    levels = len(encoder)
    assert len(network.encoder) == len(network.decoder) == levels
    names = [f"encoder.{i}" for i in range(levels)] + ["bottom"] + [f"decoder.{i}" for i in range(levels)]
    outputs: list[Rendering] = []
    shapes = recorded(
        network,
        ["identity_path", "context_path", *names, "last", "heads"],
        lambda: outputs.append(network(meta_pair(size))),
    )
    channels = CHANNELS[:levels]
    expected = [(1, 64, *half), (1, 64, *half)]
    expected += [(1, c, *s) for c, s in zip(channels, encoder, strict=True)]
    expected += [(1, channels[-1], *bottom)]
    expected += [(1, c, *s) for c, s in zip(reversed(channels), reversed(encoder), strict=True)]
    expected += [(1, 128, *half), (1, 4, *size)]
    assert shapes == expected
    assert [tuple(part.shape) for part in outputs[0]] == [(1, 3, *size), (1, 3, *size), (1, 1, *size)]


@pytest.mark.parametrize(
    ("size", "levels"),
    [
        ((224, 112), 6),
        ((256, 128), 6),
        ((128, 64), 5),
        ((64, 32), 4),
        ((16, 8), 2),
        ((8, 4), 1),
        ((512, 256), 6),
    ],
)
def test_number_of_encoder_blocks(size: Size, levels: int) -> None:
    """The deepest skip keeps two pixels, which the decoder's instance norm needs."""
    assert encoder_levels(*size) == levels


@pytest.mark.parametrize("size", [(4, 4), (1, 1)])
def test_too_small_an_image_is_refused(size: Size) -> None:
    with pytest.raises(ValueError, match=r"at least 8x4 pixels; set --image\.height"):
        Generator(GeneratorConfig(width=1), *size)


def test_skips_are_concatenated_to_each_decoder_block_but_the_first() -> None:
    """Channel bookkeeping of table 8: 512; 1024, 1024, 1024, 1024, 512; 256 into the last."""
    with torch.device("meta"):
        network = Generator(GeneratorConfig(), 224, 112)
    inputs = [up.get_parameter("first.weight").shape[1] for up in network.decoder]
    assert inputs == [512, 1024, 1024, 1024, 1024, 512]
    assert network.last.weight.shape[:2] == (128, 256)


def parameters_of_table_8(convs: int) -> int:
    """Count table 8 by hand: 4x4 kernels, 1x1 shortcuts, two numbers a channel for each norm."""
    total = 2 * (16 * 3 * 64 + 64)
    for before, after in zip([128, *CHANNELS], CHANNELS, strict=False):
        total += 16 * before * after + after + (convs - 1) * (16 * after * after + after)
        total += before * after + after
    total += 16 * 512 * 512 + 512
    for before, after in zip([512, 1024, 1024, 1024, 1024, 512], reversed(CHANNELS), strict=True):
        total += 16 * before * after + (convs - 1) * 16 * after * after + convs * 2 * after
        total += before * after + after
    return total + 16 * 256 * 128 + 2 * 128 + 16 * 128 * 4 + 4


@pytest.mark.parametrize(("convs", "millions"), [(2, 94.1), (1, 57.9)])
def test_parameters_of_the_generator(convs: Literal[1, 2], millions: float) -> None:
    with torch.device("meta"):
        network = Generator(GeneratorConfig(res_convs=convs), 224, 112)
    assert count(network) == parameters_of_table_8(convs)
    assert round(count(network) / 1e6, 1) == millions


@pytest.mark.parametrize(("convs", "giga"), [(2, 12.1), (1, 9.3)])
def test_products_of_the_generator(convs: Literal[1, 2], giga: float) -> None:
    """Table 8 as it is written takes 12.1 GMAC an image; the package a quarter less, with the same result."""
    with torch.device("meta"):
        network = Generator(GeneratorConfig(res_convs=convs), 224, 112)
    given = meta_pair((224, 112))
    with FlopCounterMode(display=False) as literal:
        oracle.generator(dict(network.named_parameters()), given.source, given.target, given.target_mask)
    assert round(literal.get_total_flops() / 2e9, 1) == giga
    with FlopCounterMode(display=False) as ours:
        network(given)
    assert ours.get_total_flops() < 0.75 * literal.get_total_flops()


@pytest.mark.parametrize(
    ("size", "config"),
    [
        ((64, 32), GeneratorConfig(width=2)),
        ((56, 28), GeneratorConfig(width=2)),  # a quarter of 224x112: three levels are no doubles
        ((40, 20), GeneratorConfig(width=2, leaky_slope=0.3)),
        ((33, 17), GeneratorConfig(width=1)),
        ((8, 4), GeneratorConfig(width=2)),
        ((40, 20), GeneratorConfig(width=2, res_convs=1)),
        ((40, 20), GeneratorConfig(width=2, dual_condition=False)),
    ],
    ids=str,
)
def test_the_generator_is_table_8(size: Size, config: GeneratorConfig) -> None:
    network = build(size, config)
    given = pair(size, batch=2)
    weights = dict(network.named_parameters())
    ours = network(given)
    literal = oracle.generator(weights, given.source, given.target, given.target_mask, config.leaky_slope)
    torch.testing.assert_close(tuple(ours), tuple(literal), rtol=1e-9, atol=1e-11)
    cotangent = normal("cotangent", *ours.image.shape)
    names = list(weights)
    gradients = torch.autograd.grad((ours.image * cotangent).sum(), [weights[n] for n in names])
    expected = torch.autograd.grad((literal.image * cotangent).sum(), [weights[n] for n in names])
    for name, gradient, other in zip(names, gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-7, atol=1e-9, msg=f"gradient of {name}")
    assert all(gradient.any() for gradient in gradients), "a part of G does nothing"


def test_the_generator_at_the_papers_size_is_table_8() -> None:
    network = build((224, 112), GeneratorConfig(width=1))
    given = pair((224, 112), batch=1)
    with torch.no_grad():
        ours = network(given)
        literal = oracle.generator(weights_of(network), given.source, given.target, given.target_mask)
    torch.testing.assert_close(tuple(ours), tuple(literal), rtol=1e-9, atol=1e-11)


def test_float32_and_channels_last_change_nothing_but_rounding() -> None:
    network = build((40, 20))
    given = pair((40, 20), batch=2)
    expected = network(given).image
    single = network.float().to(memory_format=torch.channels_last)
    images = [part.float().contiguous(memory_format=torch.channels_last) for part in given]
    torch.testing.assert_close(single(ConditionPair(*images)).image.double(), expected, rtol=1e-3, atol=1e-4)


def test_initial_weights_of_all_networks() -> None:
    torch.manual_seed(0)
    networks = [
        Generator(GeneratorConfig(width=8), 64, 32),
        DomainDiscriminator(DomainDiscriminatorConfig(width=16)),
        CameraDiscriminator(CameraDiscriminatorConfig(width=16), 6),
    ]
    for network in networks:
        convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        weights = torch.cat([conv.weight.flatten() for conv in convs])
        assert weights.std().item() == pytest.approx(0.02, rel=0.008)
        assert not any(conv.bias.any() for conv in convs if conv.bias is not None)


# Equation 3 and what G may see


def test_a_rendering_blends_residual_and_source() -> None:
    source, residual = torch.rand(2, 3, 4, 4) * 2 - 1, torch.rand(2, 3, 4, 4) * 2 - 1
    zeros, ones = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    assert torch.equal(compose(source, residual, zeros).image, source)
    assert torch.equal(compose(source, residual, ones).image, residual)
    torch.testing.assert_close(
        compose(source, residual, 0.3 * ones).image, 0.3 * residual + 0.7 * source, rtol=1e-6, atol=1e-7
    )


def test_ranges_of_a_rendering() -> None:
    network = build((40, 20))
    image, residual, mask = network(pair((40, 20)))
    assert image.abs().max() <= 1
    assert residual.abs().max() <= 1
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert residual.min() < -0.1  # tanh, not sigmoid
    assert not torch.equal(image, residual)


def test_nothing_of_the_targets_person_reaches_the_generator() -> None:
    network = build((40, 20))
    given = pair((40, 20))
    target = given.target.clone().requires_grad_()
    image = network(given._replace(target=target)).image
    (gradient,) = torch.autograd.grad(image.square().sum(), target)
    person = given.target_mask.expand_as(gradient) == 1
    assert not gradient[person].any()
    assert gradient[~person].any()


def test_the_generator_does_not_look_at_the_source_mask() -> None:
    network = build((40, 20))
    given = pair((40, 20))
    other = given._replace(source_mask=1 - given.source_mask)
    assert torch.equal(network(given).image, network(other).image)


def test_without_dual_condition_the_target_is_not_seen_and_the_unet_stays() -> None:
    """Spec E22: the identity pathway takes both widths, all other shapes are those of the full generator."""
    given = pair((40, 20))
    single = build((40, 20), GeneratorConfig(width=2, dual_condition=False))
    elsewhere = given._replace(target=-given.target, target_mask=1 - given.target_mask)
    assert torch.equal(single(given).image, single(elsewhere).image)
    dual = build((40, 20))
    assert not torch.equal(dual(given).image, dual(elsewhere).image)
    assert single.identity_path.weight.shape == (4, 3, 4, 4)
    shapes = {name: value.shape for name, value in dual.state_dict().items() if "_path" not in name}
    assert shapes == {name: v.shape for name, v in single.state_dict().items() if "_path" not in name}


# The start from a composition (spec D3)


def prior(size: Size = (40, 20)) -> Generator:
    return Generator(GeneratorConfig(width=2, prior="composite"), *size).double()


def test_with_the_prior_the_first_rendering_is_the_composition() -> None:
    given = pair((40, 20))
    made = prior()(given)
    torch.testing.assert_close(made.image, Composite()(given).image, rtol=0, atol=1e-12)
    assert torch.equal(made.context_mask, 1 - 0.5 * given.source_mask)


def test_with_the_prior_every_output_is_the_oracles() -> None:
    """X_R = clamp(composition + tanh), X_C = clamp(1 - M_S / 2 + tanh), between the moved X_S and X_R."""
    given, generator = pair((40, 20)), prior()
    fill(generator, "generator")
    seen: list[Tensor] = []
    generator.heads.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    made = generator(given)
    person = compositing.moved_colours(given.source, given.target)
    background = compositing.painted_over(given.target, given.target_mask)
    pasted = given.source_mask * person + (1 - given.source_mask) * background
    residual = (pasted + seen[0][:, :3].tanh()).clamp(-1, 1)
    context_mask = (1 - 0.5 * given.source_mask + seen[0][:, 3:].tanh()).clamp(0, 1)
    torch.testing.assert_close(made.residual, residual, rtol=0, atol=1e-10)
    torch.testing.assert_close(made.context_mask, context_mask, rtol=0, atol=1e-10)
    expected = residual * context_mask + person * (1 - context_mask)
    torch.testing.assert_close(made.image, expected, rtol=0, atol=1e-10)


def test_with_the_prior_person_and_background_learn_from_the_first_step() -> None:
    given, generator = pair((40, 20)), prior()
    for part in (given.source_mask, 1 - given.source_mask):
        generator.zero_grad()
        torch.autograd.backward(((generator(given).image - 0.1) * part).square().sum())
        assert generator.heads.weight.grad is not None
        assert generator.heads.weight.grad[:3].abs().max() > 0


def test_a_prior_needs_the_target() -> None:
    with pytest.raises(ValueError, match=r"prior composite shows G the target.*--generator\.prior none"):
        GeneratorConfig(prior="composite", dual_condition=False)


# Table 9


def domain(**changes: Any) -> DomainDiscriminator:
    network = DomainDiscriminator(DomainDiscriminatorConfig(**{"width": 4, **changes})).double()
    fill(network, "domain")
    return network


def test_maps_of_the_domain_discriminator() -> None:
    """Explicit padding 2 and VALID: 113x57, 57x29, 58x30, 59x31, 60x32; table 9 rounds to H/4 (E12)."""
    with torch.device("meta"):
        network = DomainDiscriminator(DomainDiscriminatorConfig())
    images = torch.empty(1, 3, 224, 112, device="meta")
    names = [f"hidden.{number}" for number in range(4)] + ["score"]
    shapes = recorded(network.eval(), names, lambda: network(images))
    assert shapes == [
        (1, 128, 113, 57),
        (1, 256, 57, 29),
        (1, 512, 58, 30),
        (1, 512, 59, 31),
        (1, 1, 60, 32),
    ]
    expected = 16 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 512 + 512) + 128 + 256 + 512 + 512 + 1
    assert count(network) == expected + 2 * (256 + 512 + 512)
    assert round(count(network) / 1e6, 1) == 6.8


def test_products_of_the_domain_discriminator() -> None:
    with torch.device("meta"):
        network = DomainDiscriminator(DomainDiscriminatorConfig())
    images = torch.empty(1, 3, 224, 112, device="meta")
    with FlopCounterMode(display=False) as literal:
        oracle.domain_discriminator(dict(network.named_parameters()), images)
    assert round(literal.get_total_flops() / 2e9, 1) == 12.2
    with FlopCounterMode(display=False) as ours:
        network(images)
    assert ours.get_total_flops() <= literal.get_total_flops()


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_the_domain_discriminator_is_table_9(output: str) -> None:
    network = domain(output=output, leaky_slope=0.25).eval()
    images = pair((24, 12)).source.requires_grad_()
    weights = dict(network.named_parameters())
    ours, literal = network(images), oracle.domain_discriminator(weights, images, output, slope=0.25)
    torch.testing.assert_close(ours, literal, rtol=1e-9, atol=1e-12)
    assert (ours.min() < 0) == (output == "linear")
    cotangent = normal("cotangent", *ours.shape)
    wanted = [images, *weights.values()]
    torch.testing.assert_close(
        torch.autograd.grad((ours * cotangent).sum(), wanted),
        torch.autograd.grad((literal * cotangent).sum(), wanted),
        rtol=1e-7,
        atol=1e-9,
    )


def noise_seen(network: DomainDiscriminator, images: Tensor) -> Tensor:
    """Return what the network adds to its images before its first convolution."""
    seen: list[Tensor] = []
    handle = network.hidden[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    network(images)
    handle.remove()
    return seen[0] - images


@pytest.mark.parametrize("std", [0.1, 0.3])
def test_noise_of_the_domain_discriminator(std: float) -> None:
    network = domain(noise_std=std).train()
    images = torch.zeros(64, 3, 64, 32, dtype=torch.float64)
    torch.manual_seed(0)
    first, second = noise_seen(network, images), noise_seen(network, images)
    assert first.std().item() == pytest.approx(std, rel=0.005)  # 393,216 draws: 0.11 % of error
    assert abs(first.mean().item()) < 0.005 * std
    assert (first[:32] - first[32:]).std().item() == pytest.approx(
        std * 2**0.5, rel=0.01
    )  # each image its own
    assert (first - second).std().item() == pytest.approx(std * 2**0.5, rel=0.01)  # and anew at each call
    share_beyond_two = (first.abs() > 2 * std).double().mean().item()
    assert share_beyond_two == pytest.approx(0.0455, rel=0.05)  # normal, not uniform


def test_no_noise_in_evaluation_mode() -> None:
    network = domain().eval()
    images = pair((24, 12)).source
    assert not noise_seen(network, images).any()
    assert torch.equal(network(images), network(images))
    assert not torch.equal(network.train()(images), network(images))


def test_noise_does_not_change_the_callers_images() -> None:
    images = pair((24, 12)).source
    before = images.clone()
    domain().train()(images)
    assert torch.equal(images, before)


# Table 10


def camera(**changes: Any) -> CameraDiscriminator:
    network = CameraDiscriminator(CameraDiscriminatorConfig(**{"width": 4, **changes}), 6).double()
    fill(network, "camera")
    return network


def test_maps_of_the_camera_discriminator() -> None:
    with torch.device("meta"):
        network = CameraDiscriminator(CameraDiscriminatorConfig(), 8)
    images = torch.empty(1, 3, 224, 112, device="meta")
    scores: list[Tensor] = []
    names = [f"hidden.{number}" for number in range(4)]
    shapes = recorded(network.eval(), names, lambda: scores.append(network(images)))
    assert shapes == [(1, 64, 112, 56), (1, 128, 56, 28), (1, 256, 28, 14), (1, 512, 14, 7)]
    assert scores[0].shape == (1, 8)
    kernels = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    assert count(network) == kernels + 64 + 2 * (128 + 256 + 512) + 512 * 8 + 8


@pytest.mark.parametrize("training", [False, True])
def test_the_camera_discriminator_is_table_10(training: bool) -> None:
    network = camera(dropout=0.0, leaky_slope=0.25).train(training)
    images = pair((32, 16)).source.requires_grad_()
    weights = {**weights_of(network), **dict(network.named_parameters())}
    literal = oracle.camera_discriminator(weights, images, slope=0.25, batch_statistics=training)
    ours = network(images)
    torch.testing.assert_close(ours, literal, rtol=1e-9, atol=1e-12)
    cotangent = normal("cotangent", *ours.shape)
    wanted = [images, *network.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad((ours * cotangent).sum(), wanted),
        torch.autograd.grad((literal * cotangent).sum(), wanted),
        rtol=1e-7,
        atol=1e-9,
    )


def test_dropout_0_999_of_the_paper_keeps_nearly_everything() -> None:
    """TensorFlow's number is the probability of keeping; torch's, of dropping, is 0.001 (spec E13)."""
    assert CameraDiscriminatorConfig().dropout == pytest.approx(1 - 0.999)
    network = camera(dropout=0.25)
    images = pair((32, 16), batch=256).source
    seen: list[Tensor] = []
    network.classify.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    torch.manual_seed(0)
    network.train()(images)
    assert (seen[0] == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)
    network.eval()(images)
    assert not (seen[1] == 0).any()
    assert torch.equal(network(images), network(images))


# Settings


def test_the_papers_settings() -> None:
    assert GeneratorConfig() == GeneratorConfig(width=64, res_convs=2, dual_condition=True, leaky_slope=0.2)
    assert DomainDiscriminatorConfig() == DomainDiscriminatorConfig(
        width=128, noise_std=0.1, output="sigmoid", leaky_slope=0.2
    )
    assert CameraDiscriminatorConfig() == CameraDiscriminatorConfig(width=64, dropout=0.001, leaky_slope=0.2)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (GeneratorConfig, {"width": 0}),
        (GeneratorConfig, {"leaky_slope": 1.0}),
        (GeneratorConfig, {"leaky_slope": -0.1}),
        (DomainDiscriminatorConfig, {"width": 0}),
        (DomainDiscriminatorConfig, {"noise_std": -0.1}),
        (DomainDiscriminatorConfig, {"noise_std": 1.5}),
        (CameraDiscriminatorConfig, {"width": 0}),
        (CameraDiscriminatorConfig, {"dropout": 1.0}),
        (CameraDiscriminatorConfig, {"dropout": -0.1}),
    ],
)
def test_impossible_settings_are_refused(config: Any, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        config(**wrong)
