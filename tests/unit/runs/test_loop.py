"""The loop: steps, logs, checkpoints, clean stops, and the same weights after any interruption."""

import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genreid.runs.checkpoint import checkpoint_folders, load_newest, save_checkpoint
from genreid.runs.loop import (
    STOP_SIGNALS,
    Outcome,
    Session,
    Stage,
    differences,
    run_stage,
    seed_everything,
)
from genreid.runs.run_log import RunLog
from genreid.training.optimizers import make_adam
from tests.drawn_tensors import fill

STEPS = 50


class Toy:
    """A stage whose step uses random numbers, an optimiser with moments and a batch norm."""

    def __init__(self, iterations: int = STEPS, name: str = "toy") -> None:
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))
        fill(self.network, "toy")
        self.optimizer = make_adam(self.network, 1e-2, (0.5, 0.999))
        self.steps: list[int] = []
        self.before: Callable[[int], None] = lambda _step: None
        self.spoil: Callable[[int, Tensor], Tensor] = lambda _step, loss: loss
        networks, optimizers = {"net": self.network}, {"net": self.optimizer}
        self.stage = Stage(name, iterations, self.draw, self.learn, networks, optimizers, {"fact": 7})

    def draw(self, number: int) -> Tensor:
        self.before(number)
        return torch.rand(2, 3, 8, 8)

    def learn(self, images: Tensor, number: int) -> Mapping[str, Tensor]:
        self.steps.append(number)
        loss = self.spoil(number, self.network(images).square().mean())
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return {"loss": loss.detach(), "number": torch.tensor(float(number))}


def run(toy: Toy, session: Session) -> bool:
    with RunLog(session.run) as log:
        return run_stage(toy.stage, session, log)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    return path


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, Tensor]:
    """The weights after an uninterrupted run."""
    path = tmp_path / "whole"
    path.mkdir()
    toy = Toy()
    assert run(toy, Session(path))
    assert toy.steps == list(range(STEPS))
    return toy.network.state_dict()


def assert_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("stops", [[1], [20], [33], [7, 8, 40], [49]])
def test_a_stopped_and_resumed_run_ends_in_the_same_weights(
    folder: Path, whole: dict[str, Tensor], stops: list[int]
) -> None:
    done: list[int] = []
    for stop in [*stops, STEPS]:
        session, toy = Session(folder), Toy()

        def ask(number: int, session: Session = session, stop: int = stop) -> None:
            session.stop_reason = "the test asks" if number == stop - 1 else ""

        toy.before = ask if stop < STEPS else (lambda _number: None)
        torch.manual_seed(stop)  # what the process did before must not count
        assert run(toy, session) == (stop == STEPS)
        done += toy.steps
    assert done == list(range(STEPS))
    assert_equal(toy.network.state_dict(), whole)


def test_a_killed_run_goes_on_from_its_last_checkpoint(folder: Path, whole: dict[str, Tensor]) -> None:
    toy = Toy()

    def die(number: int) -> None:
        if number == 45:
            raise KeyboardInterrupt

    toy.before = die
    with pytest.raises(KeyboardInterrupt):
        run(toy, Session(folder, checkpoint_minutes=0))
    resumed = Toy()
    assert run(resumed, Session(folder))
    assert resumed.steps[0] == 40, "checkpoints are written where the loss is looked at"
    assert_equal(resumed.network.state_dict(), whole)


def test_another_seed_ends_elsewhere(folder: Path, whole: dict[str, Tensor]) -> None:
    toy = Toy()
    run(toy, Session(folder, seed=1))
    assert not torch.equal(toy.network.state_dict()["0.weight"], whole["0.weight"])


def test_a_finished_stage_is_loaded_and_not_run(folder: Path, whole: dict[str, Tensor]) -> None:
    run(Toy(), Session(folder))
    toy = Toy()
    session = Session(folder)
    session.stop_reason = "the time is over"
    assert run(toy, session), "a finished stage is finished, whatever the time"
    assert toy.steps == []
    assert_equal(toy.network.state_dict(), whole)


def test_terms_are_logged_as_means(folder: Path) -> None:
    run(Toy(), Session(folder))
    lines = metrics(folder)
    assert [line["step"] for line in lines] == [20, 40, 50]
    assert [line["number"] for line in lines] == [9.5, 29.5, 44.5]
    assert [line["stage"] for line in lines] == ["toy"] * 3
    assert all(line["loss"] > 0 and line["seconds"] >= 0 for line in lines)


def test_stages_have_checkpoints_and_randomness_of_their_own(folder: Path) -> None:
    one, two = Toy(5), Toy(5, name="other")
    run(one, Session(folder))
    run(two, Session(folder))
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"toy", "other"}
    assert not torch.equal(one.network.state_dict()["0.weight"], two.network.state_dict()["0.weight"])


def test_a_checkpoint_knows_its_stage(folder: Path) -> None:
    run(Toy(5), Session(folder))
    found = load_newest(folder / "checkpoints" / "toy")
    assert found is not None
    assert (found.state.stage, found.state.step, found.state.iterations) == ("toy", 5, 5)
    assert found.state.facts == {"fact": 7}
    assert found.state.finished


def test_checkpoint_minutes_hold_between_two_looks_at_the_loss(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of half a minute: a look comes every ten minutes, a checkpoint every two."""
    toy, now = Toy(12), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def tick(_step: int) -> None:
        nonlocal now
        now += 30.0

    toy.before = tick
    run(toy, Session(folder, checkpoint_minutes=2))
    assert [line["step"] for line in metrics(folder)] == [5, 10, 12]
    assert [int(path.name) for path in checkpoint_folders(folder / "checkpoints" / "toy")] == [12, 10, 5]


def test_what_a_killed_process_left_of_a_finished_stage_is_deleted(folder: Path) -> None:
    run(Toy(5), Session(folder))
    stage = folder / "checkpoints" / "toy"
    for name in (".draft-00000005-7", ".draft-00000001-7-old"):
        (stage / name).mkdir()
    run(Toy(5), Session(folder))
    assert [path.name for path in stage.iterdir()] == ["00000005"]


def test_when_all_checkpoints_are_damaged_the_stage_does_not_begin_anew(folder: Path) -> None:
    run(Toy(5), Session(folder))
    (folder / "checkpoints" / "toy" / "00000005" / "state.json").write_text("{")
    toy = Toy(5)
    with pytest.raises(ValueError, match="none of its 1 checkpoints is whole"):
        run(toy, Session(folder))
    assert toy.steps == []


def test_checkpoints_come_by_time(folder: Path) -> None:
    run(Toy(), Session(folder, checkpoint_minutes=0))
    assert [int(path.name) for path in checkpoint_folders(folder / "checkpoints" / "toy")] == [50, 40, 20]
    run(Toy(name="seldom"), Session(folder, checkpoint_minutes=60))
    assert [int(path.name) for path in checkpoint_folders(folder / "checkpoints" / "seldom")] == [50]


def with_facts(toy: Toy, facts: dict[str, Any]) -> Toy:
    toy.stage = replace(toy.stage, facts=facts)
    return toy


def test_another_length_is_refused(folder: Path) -> None:
    run(Toy(5), Session(folder))
    with pytest.raises(
        ValueError, match=r"of other data or settings:\n  iterations: 5 there, 6 now\n.*--out"
    ):
        run(Toy(6), Session(folder))


def test_other_facts_are_refused_and_named(folder: Path) -> None:
    run(with_facts(Toy(5), {"size": (64, 32), "net": {"width": 4, "slope": 0.2}}), Session(folder))
    run(with_facts(Toy(5), {"size": [64, 32], "net": {"width": 4, "slope": 0.2}}), Session(folder))
    with pytest.raises(ValueError, match=r"settings:\n  net\.width: 4 there, 8 now\nuse the first"):
        run(with_facts(Toy(5), {"size": (64, 32), "net": {"width": 8, "slope": 0.2}}), Session(folder))


def test_images_of_an_older_checkpoint_were_resized_bilinearly(folder: Path) -> None:
    run(Toy(4), Session(folder))
    for kind, lines in (("image", ""), ("image_bicubic", "  kind: image there, image_bicubic now")):
        newest = load_newest(folder / "checkpoints" / "toy")
        assert newest is not None
        now = Toy(4).stage
        assert differences(replace(now, facts={**now.facts, "kind": kind}), newest) == lines


def test_a_checkpoint_of_an_older_version_can_be_resumed(folder: Path) -> None:
    """It knows nothing of settings that came later."""
    session, toy = Session(folder), with_facts(Toy(5), {"net": {"width": 4}})
    toy.before = lambda step: setattr(session, "stop_reason", "enough") if step == 2 else None
    run(toy, session)
    newer = with_facts(Toy(5), {"net": {"width": 4, "slope": 0.2}, "settings": {"batch": 3}})
    assert run(newer, Session(folder))
    assert newer.steps == [3, 4]


# Losses that are no numbers


@pytest.mark.parametrize(("bad", "value"), [(3, "nan"), (30, "inf")])
def test_a_loss_that_is_not_finite_stops_the_run(folder: Path, bad: int, value: str) -> None:
    toy = Toy()
    toy.spoil = lambda number, loss: loss * float(value) if number == bad else loss
    with pytest.raises(
        FloatingPointError, match=rf"stage toy: a loss is not finite at step {bad} \(loss (nan|inf)"
    ):
        run(toy, Session(folder, checkpoint_minutes=0))
    steps = [int(path.name) for path in checkpoint_folders(folder / "checkpoints" / "toy")]
    assert steps == ([] if bad < 20 else [20]), "no checkpoint holds the spoilt weights"


def test_weights_that_are_not_finite_are_not_kept(folder: Path) -> None:
    """The loss is that before the update, so the last update of all shows in the weights alone."""
    toy = Toy(3)

    def ruin(*_: object) -> None:
        next(toy.network.parameters()).detach().fill_(float("nan"))

    def spoil(step: int) -> None:
        if step == 2:
            toy.optimizer.register_step_post_hook(ruin)

    toy.before = spoil
    with pytest.raises(FloatingPointError, match="stage toy: weights are not finite after step 2") as raised:
        run(toy, Session(folder))
    assert "another --out" in str(raised.value)
    assert checkpoint_folders(folder / "checkpoints" / "toy") == []


def test_a_term_may_be_there_in_some_steps_only(folder: Path) -> None:
    """Its ramp began between two looks, or it is computed now and then: the mean is over its own steps."""
    toy = Toy(6)
    plain = toy.stage.learn

    def learn(images: Tensor, number: int) -> Mapping[str, Tensor]:
        terms = dict(plain(images, number))
        if number % 3 == 1:
            terms["now and then"] = torch.tensor(float(number))
        return terms

    toy.stage = replace(toy.stage, learn=learn)
    run(toy, Session(folder))
    (line,) = metrics(folder)
    assert line["now and then"] == (1 + 4) / 2
    assert line["number"] == 2.5


@pytest.mark.parametrize("calls", range(2, 8))
def test_every_step_is_looked_at_whenever_the_session_stops(folder: Path, calls: int) -> None:
    """A limit can pass between any two looks at the clock; no loss may go unseen, no bad one be saved."""

    class Clock(Session):
        left = calls

        def must_stop(self) -> bool:
            self.left -= 1
            return self.left <= 0

    toy = Toy()
    run(toy, Clock(folder))
    assert toy.steps
    assert [line["number"] for line in metrics(folder)] == [sum(toy.steps) / len(toy.steps)]


def test_first_what_drawing_depends_on_then_the_batch_then_learning_from_it(folder: Path) -> None:
    toy, order = Toy(3), list[tuple[str, int]]()
    plain, drawn = toy.stage, list[Tensor]()

    def draw(step: int) -> Tensor:
        order.append(("draw", step))
        drawn.append(plain.draw(step))
        return drawn[-1]

    def learn(batch: Tensor, step: int) -> Mapping[str, Tensor]:
        order.append(("learn", step))
        assert batch is drawn[-1]
        return plain.learn(batch, step)

    toy.stage = replace(plain, begin=lambda step: order.append(("begin", step)), draw=draw, learn=learn)
    run(toy, Session(folder))
    assert order == [(name, step) for step in range(3) for name in ("begin", "draw", "learn")]


# Stopping


def test_time_limit(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    endless, limited = Session(folder, started=now), Session(folder, max_minutes=2, started=now)
    now = 100.0 + 119
    assert not limited.must_stop()
    assert limited.stop_reason == ""
    now = 100.0 + 121
    assert limited.must_stop()
    assert limited.stop_reason == "--max-minutes 2 is over"
    assert not endless.must_stop()


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals are heard, also where the tests run in the background of a shell or under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_stops_at_a_checkpoint(folder: Path, number: signal.Signals) -> None:
    handlers = {n: signal.getsignal(n) for n in STOP_SIGNALS}
    session, toy = Session(folder), Toy()
    toy.before = lambda step: os.kill(os.getpid(), number) if step == 10 else None
    with session.catching_signals():
        assert not run(toy, session)
    assert session.stop_reason == f"{number.name} was received"
    found = load_newest(folder / "checkpoints" / "toy")
    assert found is not None
    assert found.state.step == 11, "the step that ran is finished"
    assert {n: signal.getsignal(n) for n in handlers} == handlers, "the handlers are put back"


def test_a_second_signal_ends_at_once(folder: Path) -> None:
    session = Session(folder)
    with session.catching_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        assert session.stop_reason == "SIGTERM was received"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def signal_while_saving(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Let a signal come when the next checkpoint is half written."""

    def save(*arguments: Any) -> Path:
        os.kill(os.getpid(), number)
        return save_checkpoint(*arguments)

    monkeypatch.setattr("genreid.runs.loop.save_checkpoint", save)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize("stop", [None, 7])
def test_a_signal_while_the_last_checkpoint_is_written_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, stop: int | None
) -> None:
    """At the end of the stage, and where --max-minutes was over."""
    session, toy = Session(folder), Toy()
    toy.before = lambda step: setattr(session, "stop_reason", "time is up") if step == stop else None
    signal_while_saving(monkeypatch, number)
    assert run(toy, session) == (stop is None)
    found = load_newest(folder / "checkpoints" / "toy")
    assert found is not None
    assert found.state.step == (STEPS if stop is None else stop + 1)
    assert session.interrupted
    assert session.end(finished=stop is None) is (Outcome.FINISHED if stop is None else Outcome.INTERRUPTED)


def test_a_signal_that_is_ignored_stays_so(folder: Path) -> None:
    """`nohup` ignores SIGHUP: the run outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Session(folder).catching_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back_after_an_error(folder: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with contextlib.suppress(ValueError), Session(folder).catching_signals():
        raise ValueError
    assert signal.getsignal(signal.SIGTERM) is before


# Seeds and logs


def test_seed_everything() -> None:
    def draw(seed: int, stage: str, step: int) -> float:
        seed_everything(seed, stage, step)
        return torch.rand(()).item()

    first = draw(0, "rendering", 3)
    assert draw(0, "rendering", 3) == first
    others = [draw(1, "rendering", 3), draw(0, "finetuning", 3), draw(0, "rendering", 4)]
    assert len({first, *others}) == 4


def test_resuming_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    session, toy = Session(folder), Toy()
    toy.before = lambda step: setattr(session, "stop_reason", "enough") if step == 5 else None
    run(toy, session)
    with caplog.at_level(logging.INFO):
        run(Toy(), Session(folder))
    assert "toy: resumed at step 6 of 50" in caplog.text
    assert "toy: 50 of 50" in caplog.text
