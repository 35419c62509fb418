"""Both methods' steps on a GPU: images a second, share of the peak, and whether the host ever waits.

    python -m benchmarks.gpu_steps [--methods crgan dgnet] [--precisions fp32 tf32 bf16] [--batches 8 32 64]
                                   [--compiled no yes] [--minutes M] [--checks yes|no] [--tiny] [--out F.json]

CR-GAN's stage II at 224x112 and DG-Net's iteration at 256x128, networks at full size with ResNet-50; a batch
is so many pairs of images, and every image of a pair counts. The FLOPs of a step are counted by torch; the
peak is the rate measured for a large matrix product in the same precision. With `--compiled yes` the networks
go through torch.compile, but DG-Net's discriminator, on which R1 needs a second derivative.

The checks: a step under `torch.cuda.set_sync_debug_mode("error")`, and the synchronising calls that the
profiler sees in it, data drawn from a bank on the device; the same step with the bank in host memory.

What earlier runs have written to the file stays, so the work can be cut into several commands; after
`--minutes` none is begun. Without a GPU it says so and leaves everything as it is.
"""

import argparse
import gc
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import crgan_step, dgnet_step
from benchmarks.drawn import drawn_domains, drawn_set
from benchmarks.measure import RESULTS, Figures, Sheet, Target, add_options, read_figures, seconds_of
from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.models.crgan import CameraDiscriminator
from genreid.models.devices import DeviceName, PrecisionName
from genreid.models.precision import Compute, choose_compute
from genreid.recipes.crgan import paper
from genreid.training.crgan_stages import Workbench, rendering_stage
from genreid.training.crgan_step import RenderingBatch, rendering_step
from genreid.training.dgnet_stage import DgnetBench, dgnet_stage

Method = Literal["crgan", "dgnet"]
METHODS: tuple[Method, ...] = ("crgan", "dgnet")
PRECISIONS: tuple[PrecisionName, ...] = ("fp32", "tf32", "bf16")
BATCHES = (8, 32, 64)
WARM_UP, STEPS, TURNS, MATRIX = 3, 5, 3, 8192
WAITS = "Synchronize"
"""What the names of the runtime's waiting calls have in common."""


class Ready(NamedTuple):
    """A step, ready to run.

    Attributes:
        step: Runs an iteration on a batch that lies on the device.
        compilable: The networks that torch.compile may have.
        images: Real images in a batch.
    """

    step: Callable[[], object]
    compilable: list[nn.Module]
    images: int


def crgan_case(batch: int, *, tiny: bool) -> crgan_step.Case:
    """Return the paper's sizes without trained weights, or all of it tiny."""
    if tiny:
        return replace(crgan_step.case(tiny=True), batch=batch)
    return crgan_step.Case(replace(paper(), backbone=BackboneConfig(weights="none")), batch=batch)


def make_ready(method: Method, batch: int, compute: Compute, *, tiny: bool) -> Ready:
    """Build a method's networks and a batch on the device."""
    device = compute.device
    if method == "crgan":
        given = crgan_case(batch, tiny=tiny)
        setup = crgan_step.our_setup(given, compute)
        drawn = crgan_step.draw_batch(given)
        pair = type(drawn.pair)(*(image.to(device) for image in drawn.pair))
        laid = RenderingBatch(pair, drawn.source_labels.to(device), drawn.target_cameras.to(device))
        networks: list[nn.Module] = [network for network in setup.networks if network is not None]
        return Ready(lambda: rendering_step(setup, laid, 0), networks, 2 * batch)
    case = dgnet_step.case(tiny=tiny, pairs=batch)
    built = dgnet_step.build_networks(case)
    step = dgnet_step.our_step(case, built, compute)
    swaps = dgnet_step.channels_last(dgnet_step.draw_batch(case, device))
    middle = case.config.training.iterations // 2
    compilable = [built.appearance, built.structure, built.decoder, cast(nn.Module, built.teacher)]
    return Ready(partial(step, swaps, middle, 0.0), compilable, 2 * batch)


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(compute: Compute, size: int = MATRIX) -> float:
    """Return how many products and sums a second a large matrix product does."""
    dtype = torch.bfloat16 if compute.bf16 else torch.float32
    left, right = (torch.randn(size, size, device=compute.device).to(dtype) for _ in range(2))

    def work() -> None:
        torch.mm(left, right)
        wait_for(compute.device)

    work()
    return 2 * size**3 / min(seconds_of(work) for _ in range(5))


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the products and sums of all that runs, below autograd, by torch's own formulas.

    torch's `FlopCounterMode` does the same and also follows modules, which fails in a step that takes a
    gradient of a gradient (R1).
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Run what is called, and count it."""
        given = dict(kwargs or {})
        result = func(*args, **given)
        formula = flop_registry.get(func._overloadpacket)  # noqa: SLF001 (the registry's own key)
        if formula is not None:
            self.total += int(formula(*args, **given, out_val=result))
        return result


def count_flops(step: Callable[[], object]) -> int:
    """Return the products and sums of one step, forward and backward."""
    counting = _Counting()
    with counting:
        step()
    return counting.total


def time_steps(step: Callable[[], object], device: torch.device, steps: int = STEPS) -> list[float]:
    """Return the seconds of a step in each turn; a turn ends when the device has done its work."""

    def turn() -> None:
        for _ in range(steps):
            step()
        wait_for(device)

    for _ in range(WARM_UP if steps > 1 else 1):
        step()
    wait_for(device)
    return [seconds_of(turn) / steps for _ in range(TURNS if steps > 1 else 1)]


def measure(method: Method, batch: int, compute: Compute, *, tiny: bool) -> tuple[Figures, Ready]:
    """Measure a step as it is, eager."""
    torch.manual_seed(0)
    ready = make_ready(method, batch, compute, tiny=tiny)
    ready.step()
    flops = count_flops(ready.step)
    return described(ready, compute, flops, steps=1 if tiny else STEPS), ready


def described(ready: Ready, compute: Compute, flops: int, steps: int) -> Figures:
    """Time a step and say what that is of the peak."""
    cuda = compute.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(compute.device)
    seconds = time_steps(ready.step, compute.device, steps)
    peak = torch.cuda.max_memory_allocated(compute.device) if cuda else 0
    rate = matrix_rate(compute, MATRIX if cuda else 64)
    return {
        "seconds": median(seconds),
        "slowest": max(seconds),
        "images_per_second": ready.images / median(seconds),
        "gigaflop": flops / 1e9,
        "teraflops": flops / median(seconds) / 1e12,
        "matrix_teraflops": rate / 1e12,
        "share_of_peak": flops / median(seconds) / rate,
        "peak_bytes": peak,
    }


def compiled(ready: Ready, compute: Compute, eager: Figures, steps: int) -> Figures:
    """Compile the networks and measure again; the time of the first step is that of compiling."""
    torch._dynamo.reset()  # noqa: SLF001 (documented under this name)
    for network in ready.compilable:
        network.compile()

    def first() -> None:
        ready.step()
        wait_for(compute.device)

    seconds = seconds_of(first)
    found = described(ready, compute, round(1e9 * eager["gigaflop"]), steps)
    return found | {"seconds_to_compile": seconds, "times_faster": eager["seconds"] / found["seconds"]}


def tried(work: Callable[[], Figures]) -> Figures:
    """Return what a work finds, or why it finds nothing: what fails on one GPU must not stop the others."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"}
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def staged_step(
    method: Method, compute: Compute, batch: int, *, tiny: bool, on_device: bool
) -> Callable[[int], Any]:
    """Return a stage's own step, which draws its data from a bank on the device or in host memory."""
    device = compute.device
    if method == "crgan":
        given = crgan_case(batch, tiny=tiny)
        config = replace(given.config, stage2=replace(given.config.stage2, batch=batch))
        domains = drawn_domains(config.image.size, crgan_step.PEOPLE, crgan_step.CAMERAS)
        if on_device:
            domains.source.to_device(device)
            domains.target.to_device(device)
        identity = build_reid_network(config.backbone, crgan_step.PEOPLE).eval()
        camera = CameraDiscriminator(config.camera, crgan_step.CAMERAS)
        rendering = rendering_stage(Workbench(config, 0, compute), domains, identity.to(device), camera)
        return lambda number: rendering.learn(rendering.draw(number), number)
    case = dgnet_step.case(tiny=tiny, pairs=batch)
    training = replace(case.config.training, feeding="none")  # the teacher's part is in `measure`
    source = drawn_set(case.config.image.size, case.people, max(256, case.people))
    if on_device:
        source.to_device(device)
    stage = dgnet_stage(DgnetBench(replace(case.config, training=training), source, None, 0, compute))
    middle = training.iterations // 2
    return lambda number: stage.learn(stage.draw(middle + number), middle + number)


def check(method: Method, compute: Compute, batch: int, *, tiny: bool) -> Figures:
    """Say whether the host waits in a step, and what the bank's place costs."""
    device = compute.device
    found: Figures = {}
    for name, on_device in (("device", True), ("host", False)):
        stage = staged_step(method, compute, batch, tiny=tiny, on_device=on_device)
        step = partial(_next_step, stage, itertools.count())
        seconds = time_steps(step, device, 1 if tiny else STEPS)
        found[f"seconds_with_the_bank_on_the_{name}"] = median(seconds)
        if on_device:
            found["waits"] = waits_of(step, device)
    return found


def _next_step(stage: Callable[[int], object], numbers: Iterator[int]) -> object:
    """Run the stage's next iteration."""
    return stage(next(numbers))


def waits_of(step: Callable[[], object], device: torch.device) -> list[str]:
    """Return what made the host wait in a step; empty: nothing did."""
    if device.type != "cuda":
        return []
    waits = []
    torch.cuda.synchronize(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        waits.append(str(error).splitlines()[0])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize(device)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with (
        torch.profiler.profile(activities=activities) as profiler,
        torch.profiler.record_function("one step"),
    ):
        step()
    return waits + waiting_calls(list(profiler.events() or []))


def waiting_calls(events: Sequence[Any]) -> list[str]:
    """Return the names of the runtime's waiting calls within the range called `one step`."""
    (whole,) = (event.time_range for event in events if event.name == "one step" and _on_host(event))
    return [
        event.name
        for event in events
        if WAITS in event.name and whole.start <= event.time_range.start <= whole.end
    ]


def _on_host(event: Any) -> bool:  # noqa: ANN401 (the profiler's own type says nothing)
    """Tell a range of the host from its shadow on the device."""
    return str(event.device_type).endswith("CPU")


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_steps")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, help="pairs")
    parser.add_argument("--compiled", nargs="+", choices=("no", "yes"), default=("no", "yes"))
    parser.add_argument(
        "--checks", choices=("yes", "no"), default="yes", help="host waits, place of the bank"
    )
    parser.add_argument("--minutes", type=float, default=25.0, help="begin nothing new after so long")
    return add_options(parser)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for, and keep what was measured before."""
    options = _arguments().parse_args(argv)
    if not torch.cuda.is_available() and not options.tiny:
        print("no GPU here: nothing is measured, benchmarks/results/gpu_steps.json stays as it is")
        return 0
    sheet = Sheet("gpu_steps", "both steps on a GPU")
    sheet.figures = {} if options.tiny else read_figures(options.out or RESULTS / "gpu_steps.json", PARTS)
    for part in PARTS:
        sheet.figures.setdefault(part, {})
    device: DeviceName = "cuda" if torch.cuda.is_available() else "cpu"
    if options.tiny:
        options.batches, options.compiled = [2], ["no"]
        options.precisions = [name for name in options.precisions if name != "tf32" or device == "cuda"]
    run_all(sheet, options, device)
    sheet.targets = targets_of(sheet.figures)
    sheet.device = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return sheet.finish(options)


PARTS = ("steps", "checks")


def run_all(sheet: Sheet, options: argparse.Namespace, device: DeviceName) -> None:
    """Measure every combination, and print each at once."""
    end = time.monotonic() + 60 * options.minutes
    for method in options.methods:
        if options.checks == "yes" and time.monotonic() < end:
            batch = min(options.batches)
            compute = choose_compute(device, "bf16")
            checked = tried(partial(check, method, compute, batch, tiny=options.tiny))
            sheet.figures["checks"][method] = {"batch": batch, **checked}
            print(method, sheet.figures["checks"][method], flush=True)
        for precision in options.precisions:
            for batch in options.batches:
                if time.monotonic() < end:
                    run_one(sheet, options, choose_compute(device, precision), (method, batch))


def run_one(sheet: Sheet, options: argparse.Namespace, compute: Compute, which: tuple[Method, int]) -> None:
    """Measure one combination, eager and, where asked for, compiled."""
    method, batch = which
    held: list[Ready] = []

    def eager() -> Figures:
        found, ready = measure(method, batch, compute, tiny=options.tiny)
        held.append(ready)
        return found

    name = f"{method}, {compute.name}, batch {batch}"
    found = {"method": method, "precision": compute.name, "batch": batch, "compiled": False}
    sheet.figures["steps"][name] = found | tried(eager)
    print(name, sheet.figures["steps"][name], flush=True)
    if held and "yes" in options.compiled:
        before = sheet.figures["steps"][name]
        after = tried(partial(compiled, held[0], compute, before, STEPS))
        sheet.figures["steps"][f"{name}, compiled"] = found | {"compiled": True} | after
        print(f"{name}, compiled", after, flush=True)


def targets_of(figures: Figures) -> list[Target]:
    """Say whether the host waits in a step."""
    return [
        Target(
            what=f"host waits in a step on a GPU, {method}",
            ours=", ".join(sorted(set(found["waits"]))) or "none",
            reference="sync debug mode and profiler",
            ratio=float(len(found["waits"])),
            bound=0.0,
            unit="waits",
            at_least=False,
        )
        for method, found in figures["checks"].items()
        if "waits" in found
    ]


if __name__ == "__main__":
    sys.exit(main())
