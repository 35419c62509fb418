"""How long a demo will take here: a few steps of stage I, timed, and what all others cost beside them."""

import statistics
import time
from pathlib import Path

from genreid.data.batch import open_image_set
from genreid.data.load import load_dataset
from genreid.models.precision import choose_compute
from genreid.recipes.demo import DemoConfig
from genreid.runs.run_options import RunOptions
from genreid.training.identity_stage import identity_stage

WARM, TIMED = 3, 12
"""Steps before the clock runs, and steps that it times."""
CAMERA, RENDERING, FINETUNING, DGNET, WITHOUT_GENERATION = 0.4, 6.5, 1.7, 11.4, 1.15
CUT_AND_PASTE, COLOUR, COMPOSITE, SPGAN, TRANSLATED = 1.1, 1.1, 1.4, 1.3, 1.5
"""A step of each kind in steps of stage I (0.05 processor seconds; AVX2, float32, the recipe's sizes)."""
BESIDES = 1300.0
"""Loading, drawing, evaluating and the report, in steps of stage I."""


def steps_of_stage_one(config: DemoConfig) -> float:
    """Return how many steps of stage I on A take as long as the whole demo.

    Args:
        config: All settings.
    """
    adapted, paired = config.adapt, config.dgnet
    return (
        BESIDES
        + adapted.stage1_identity.iterations
        + (config.source_long + CUT_AND_PASTE + COLOUR + COMPOSITE + TRANSLATED) * adapted.stage3.iterations
        + CAMERA * adapted.stage1_camera.iterations
        + RENDERING * adapted.stage2.iterations
        + SPGAN * adapted.spgan.iterations
        + FINETUNING * adapted.stage3.iterations
        + WITHOUT_GENERATION * paired.teacher.identity.iterations
        + (DGNET + WITHOUT_GENERATION) * paired.training.iterations
    )


def expected_minutes(data: Path, options: RunOptions, config: DemoConfig) -> float:
    """Time a few steps of stage I and return the minutes that a demo takes here from its beginning.

    Args:
        data: A's pictures.
        options: Seed, device, precision.
        config: All settings.
    """
    compute = choose_compute(options.device, options.precision)
    samples = load_dataset(data).train
    pids = [sample.pid for sample in samples]
    images = open_image_set(samples, pids, config.adapt.image.size, data, kind=config.adapt.image.kind)
    images.to_device(compute.device)
    stage = identity_stage(config.adapt.baseline, images, options.seed, compute)
    taken = []
    for step in range(WARM + TIMED):
        begun = time.perf_counter()
        terms = stage.learn(stage.draw(step), step)
        float(next(iter(terms.values())))  # waits for the device
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[WARM:]) * steps_of_stage_one(config) / 60
