"""Settings of DG-Net: when which weight counts, and what is refused (spec dg-net F6, F9)."""

from dataclasses import fields, replace
from typing import Any

import pytest

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.dgnet import AppearanceConfig
from genreid.recipes.dgnet import paper_text, published, published_msmt17
from genreid.training.dgnet_config import AdamConfig, DgnetConfig, DgnetTraining, DgnetWeights, Ramp
from genreid.training.schedules import ramp, step_decay

RISES = [(0, 0), (29_999, 0), (30_000, 0), (30_001, 5e-4), (30_002, 1e-3), (31_000, 0.5)]
"""Step, and what has been added up by then: 0.0005 in each iteration after iteration 30,000."""
RISEN = [(step, risen, risen) for step, risen in RISES]
RISEN += [(32_000, 1, 1), (33_000, 1, 1.5), (34_000, 1, 2), (50_000, 1, 2), (99_999, 1, 2)]


@pytest.mark.parametrize("recipe", [published, published_msmt17])
@pytest.mark.parametrize(("step", "code", "late"), RISEN)
def test_weights_rise_as_published(recipe: Any, step: int, code: float, late: float) -> None:
    """Spec F6: the codes to 1 in 2,000 iterations, cycle and feeding to 2 in 4,000; so with MSMT17.

    An iteration looks which terms have a weight, raises it, and then takes the sum; the fine head's weight on
    real images is taken before it is raised.
    """
    training = recipe().training
    weights, raised = training.weights_at(step), step != 30_001
    assert weights.structure_code == pytest.approx(code * raised, rel=1e-9)
    assert weights.cycle == pytest.approx(late * raised, rel=1e-9)
    assert weights.primary == pytest.approx(late * raised, rel=1e-9)
    before = min(2, max(0, step - 1 - 30_000) * 5e-4)
    assert weights.fine_identity == pytest.approx(0.2 * before, rel=1e-9)


@pytest.mark.parametrize("recipe", [published, published_msmt17])
@pytest.mark.parametrize(("step", "code", "late"), RISEN)
def test_weights_rise_at_once_in_other_recipes(recipe: Any, step: int, code: float, late: float) -> None:
    training = replace(recipe().training, late_ramps=False)
    weights = training.weights_at(step)
    assert weights.structure_code == pytest.approx(code, rel=1e-9)
    assert weights.cycle == pytest.approx(late, rel=1e-9)
    assert weights.primary == pytest.approx(late, rel=1e-9)
    assert weights.by_term["fine"] == pytest.approx(0.2 * late, rel=1e-9)
    assert weights.fine_identity == pytest.approx(0.2 * late, rel=1e-9)
    assert weights.appearance_code == 0, "it has no gradient in the published code"
    live = replace(training, live_appearance_code=True).weights_at(step)
    assert live.appearance_code == pytest.approx(code, rel=1e-9)


CONSTANT = {
    "image": 5.0,
    "identity": 1.0,
    "positive_identity": 1.0,
    "generated_identity": 0.5,
    "adversarial": 1.0,
    "gradient_penalty": 0.01,
    "alpha": 0.2,
}


@pytest.mark.parametrize("step", [0, 30_001, 99_999])
def test_all_other_weights_stay(step: int) -> None:
    weights = published().training.weights_at(step)
    assert {name: getattr(weights, name) for name in CONSTANT} == CONSTANT
    moving = {"fine_identity", "appearance_code", "structure_code", "cycle", "primary"}
    assert {field.name for field in fields(weights)} == {*CONSTANT, *moving}, "say here how a new weight goes"


def test_each_term_has_the_weight_of_equation_10() -> None:
    values = {field.name: float(2**number) for number, field in enumerate(fields(DgnetWeights))}
    weights = DgnetWeights(**values)
    expected = {name: value for name, value in values.items() if name not in {"image", "alpha"}}
    expected |= {"itself": values["image"], "same_person": values["image"]}
    expected |= {"fine": values["alpha"] * values["primary"], "discriminator": 1.0}
    assert weights.by_term == expected


@pytest.mark.parametrize(
    ("feeding", "generation", "primary"),
    [("online", True, 2.0), ("offline", True, 0.0), ("none", True, 0.0), ("online", False, 0.0)],
)
def test_feeding_decides_whether_generated_images_count(
    feeding: Any, generation: bool, primary: float
) -> None:
    weights = DgnetTraining(feeding=feeding, generation=generation).weights_at(50_000)
    assert weights.primary == primary
    assert weights.by_term["fine"] == 0.2 * primary
    assert weights.fine_identity == 0.4, "real images, which are there anyhow"


def test_a_penalty_now_and_then_counts_as_much_on_the_whole() -> None:
    training = DgnetTraining(penalty_every=4)
    weights = [training.weights_at(step).gradient_penalty for step in range(8)]
    assert weights == [0.04, 0, 0, 0, 0.04, 0, 0, 0]


def test_the_codes_count_from_the_start_in_the_papers_text() -> None:
    weights = paper_text().training.weights_at(0)
    assert (weights.structure_code, weights.appearance_code) == (1, 1)
    assert (weights.primary, weights.by_term["fine"], weights.cycle) == (0, 0, 0)
    assert paper_text().training.weights_at(34_000).primary == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize(("step", "factor"), [(0, 1), (59_999, 1), (60_000, 0.1), (90_000, 0.01)])
@pytest.mark.parametrize("recipe", [published, published_msmt17])
def test_learning_rates_drop_as_published(recipe: Any, step: int, factor: float) -> None:
    """Spec F9: at 60k, 90k and, where there is one, 105k."""
    training = recipe().training
    found = step_decay(step, training.iterations, 0.002, training.sgd.drop_at)
    assert found == pytest.approx(0.002 * factor, rel=1e-12)


@pytest.mark.parametrize(("step", "factor"), [(104_999, 0.01), (105_000, 1e-3), (149_999, 1e-3)])
def test_msmt17_has_the_third_drop(step: int, factor: float) -> None:
    training = published_msmt17().training
    assert training.iterations == 150_000
    assert step_decay(step, 150_000, 1.0, training.sgd.drop_at) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    ("step", "share"), [(0, 0), (29, 0), (30, 0), (31, 0.25), (32, 0.5), (34, 1), (35, 1), (99, 1)]
)
def test_a_ramp_is_a_line_between_two_fractions(step: int, share: float) -> None:
    assert ramp(step, 100, 0.3, 0.34) == pytest.approx(share, rel=1e-9, abs=1e-12)
    assert Ramp(start=0.3, full=0.34).at(step, 100) == pytest.approx(share, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("at", "shares"), [(0.0, [1, 1, 1, 1]), (0.5, [0, 0, 1, 1]), (1.0, [0, 0, 0, 0])])
def test_a_ramp_may_be_a_jump(at: float, shares: list[float]) -> None:
    assert [ramp(step, 4, at, at) for step in range(4)] == shares


# What is refused, in words that say what to do


@pytest.mark.parametrize(("start", "full"), [(-0.1, 0.5), (0.5, 0.4), (0.5, 1.1)])
def test_impossible_ramps_are_refused(start: float, full: float) -> None:
    with pytest.raises(ValueError, match=f"ramp: 0 <= start <= full <= 1 .* start {start}, full {full}"):
        Ramp(start=start, full=full)


@pytest.mark.parametrize("name", [field.name for field in fields(DgnetWeights)])
def test_negative_weights_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"training\.weights: each must be >= 0, got .*'{name}': -1"):
        DgnetWeights(**{name: -1.0})


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": 0.0}, {"weight_decay": -1.0}, {"beta1": 1.0}, {"beta1": -0.1}, {"beta2": 0.0}],
)
def test_impossible_settings_of_adam_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"adam: learning_rate > 0, .*, got .*{name}={wrong[name]}"):
        AdamConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"iterations": 0}, "iterations >= 1 and batch >= 2.* got 0, 8"),
        ({"batch": 1}, "iterations >= 1 and batch >= 2.* got 100000, 1"),
        ({"penalty_every": 0}, "penalty_every must be >= 1, got 0"),
        ({"encode_again": 1.1}, r"encode_again and erasing in \[0, 1\], .* got 1.1, 0.5, 10"),
        ({"encode_again": -0.1}, r"got -0.1, 0.5, 10"),
        ({"erasing": 1.5}, r"got 0.5, 1.5, 10"),
        ({"crop_padding": -1}, r"crop_padding >= 0, got 0.5, 0.5, -1"),
    ],
)
def test_impossible_settings_of_the_training_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"training: .*{words}"):
        DgnetTraining(**wrong)


@pytest.mark.parametrize(("height", "width"), [(250, 128), (256, 124)])
def test_sizes_that_do_not_divide_are_refused(height: int, width: int) -> None:
    image = ImageConfig(height=height, width=width)
    teacher = replace(published().teacher, image=image)
    with pytest.raises(ValueError, match=f"image: height and width .* multiples of 8, got {height}x{width}"):
        DgnetConfig(image=image, teacher=teacher)


def test_a_teacher_of_another_size_is_refused() -> None:
    words = "teacher.image is 256x128 bicubic, image 128x64 bilinear; .* give both the same height, width and"
    with pytest.raises(ValueError, match=words):
        DgnetConfig(image=ImageConfig(height=128, width=64))


def test_heads_have_their_own_dropout() -> None:
    with pytest.raises(ValueError, match=r"appearance\.backbone: got dropout 0\.5"):
        AppearanceConfig(backbone=BackboneConfig(dropout=0.5))
