"""`genreid train`, `evaluate` and `report` on drawn people, and the page in a real browser."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from genreid.data.load import load_dataset
from genreid.evaluation.ranking import rank
from genreid.evaluation.records import EvaluatedImages, evaluation_name, record_evaluation
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions
from tests.command_line import genreid
from tests.drawn_datasets import draw_market1501
from tests.drawn_runs import draw_run, draw_target, evaluate_run
from tests.headless_browser import Browser, find_browser, headless_browser

TINY = {
    "precision": "fp32",
    "device": "cpu",
    "image.height": "32",
    "image.width": "16",
    "backbone.name": "test_resnet",
    "backbone.weights": "none",
    "identity.iterations": "4",
    "identity.batch": "4",
}
WIDTHS = (360, 768, 1280)


def test_a_trained_run_is_evaluated_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    data = draw_market1501(tmp_path / "B", 3, 3, size=(32, 16))
    run = tmp_path / "run"
    settings = [word for name, value in TINY.items() for word in (f"--{name}", value)]
    answer = genreid("train", "baseline", "--data", str(data), "--out", str(run), *settings)
    assert answer.code == 0, answer.err
    answer = genreid("report", str(run))
    assert answer.code == 0, answer.err
    page = (run / "report.html").read_text(encoding="utf-8")
    assert f"genreid evaluate {run} --data {data}" in page
    dataset = load_dataset(data)
    extractor = Extractor.from_run(run, FeatureOptions(device="cpu"))
    query, gallery = extractor.extract(dataset.query), extractor.extract(dataset.gallery)
    images = EvaluatedImages(folder=str(data))
    ranking = rank(query, gallery)
    name = evaluation_name(images, query.metadata)
    record_evaluation(run, name, ranking, query, gallery, images)
    assert genreid("report", str(run)).code == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert f">{100 * ranking.rank_at(1):.1f}</td>" in page
    assert f">{100 * ranking.mAP_trapezoid:.1f}</td>" in page
    assert "B-pretrained.json" in page
    assert page.count('<ol class="hits">') == 8
    assert "Identity network" in page
    assert 'max="4"' in page


# In a browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of several runs with all parts, long names among them."""
    root = tmp_path_factory.mktemp("pages")
    target = draw_target(root / "a_data_set_with_a_name_that_nobody_would_want_to_type_on_a_telephone")
    names = (
        "first",
        "second_with_a_name_that_is_longer_than_the_screen_of_a_telephone",
        "<b>third</b>".replace("/", ""),
    )
    runs = [draw_run(root / name, target, seed=seed) for seed, name in enumerate(names)]
    for seed, run in enumerate(runs[:2]):
        evaluate_run(run, target, seed)
        evaluate_run(run, target, seed + 5, stage="pretrained", pooling="lmp", parts="7")
    out = root / "report.html"
    answer = genreid("report", *map(str, runs), "--data", str(target), "--out", str(out))
    assert answer.code == 0, answer.err
    return out


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("no chromium here; GENREID_BROWSER=/path/to/chromium names one")
    with headless_browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


OVERFLOWING = """
[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + '.' + e.getAttribute('class'))
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways_and_nothing_is_fetched(
    page: Path, browser: Browser, width: int, *, dark: bool
) -> None:
    browser.open(page, width, dark=dark)
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(OVERFLOWING) == []
    assert browser.requests == []
    assert browser.complaints == []
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", ground)[:3])
    assert brightness < 200 if dark else brightness > 700


def test_what_is_wide_scrolls_in_its_own_box(page: Path, browser: Browser) -> None:
    browser.open(page, 360)
    boxes = browser.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => [getComputedStyle(e).overflowX, e.tabIndex, !!e.ariaLabel])"
    )
    assert len(boxes) > 5
    assert all(box == ["auto", 0, True] for box in boxes)


def test_all_pictures_and_charts_are_shown(page: Path, browser: Browser) -> None:
    browser.open(page, 1280)
    assert browser.evaluate("[...document.images].every(e => e.complete && e.naturalWidth > 0)")
    assert browser.evaluate("document.images.length") > 50
    sizes = browser.evaluate(
        "[...document.querySelectorAll('polyline')].map(e => e.getBoundingClientRect()).map(r => r.width)"
    )
    assert min(sizes) > 50
    assert browser.evaluate("document.querySelectorAll('script, iframe, object, embed, form, b').length") == 0


def test_it_can_be_printed(page: Path, browser: Browser) -> None:
    browser.open(page, 1280, dark=True)
    browser.ask("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.ask("Emulation.setEmulatedMedia", media="")
    printed = browser.pdf()
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 60
    folder = os.environ.get("GENREID_SCREENSHOTS")  # for the eye
    if folder is not None:
        Path(folder, "report.pdf").write_bytes(printed)
        for width in WIDTHS:
            browser.open(page, width)
            Path(folder, f"report-{width}.png").write_bytes(browser.screenshot())
