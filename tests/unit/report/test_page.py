"""The page: complete, safe with hostile names, whole with broken parts."""

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from genreid.report.page import FEWEST_QUERIES, GENERATOR_MARK, duration, render, write_report
from genreid.report.run_reader import read_runs
from tests.drawn_runs import draw_run, draw_target, evaluate_run

TAGS = """
html head meta link title style body header main section article nav footer h1 h2 h3 h4 p ul ol li a dl dt dd
strong span code pre details summary div figure figcaption img table caption thead tbody tr th td svg line
polyline text progress
"""
ATTRIBUTES = """
lang charset name content http-equiv rel href class id role tabindex aria-label aria-labelledby aria-hidden
src width height alt scope value max viewbox preserveaspectratio points x y x1 x2 y1 y2 dy
"""
VOID = {"meta", "link", "img", "line"}


class Reader(HTMLParser):
    """Takes a page to pieces and checks that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag != "title" or self.open[-1] == "title":  # the title of a curve
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def count(self, tag: str, **attributes: str) -> int:
        return sum(
            name == tag and all(found.get(key.rstrip("_")) == value for key, value in attributes.items())
            for name, found in self.tags
        )


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_target(tmp_path_factory.mktemp("data") / "B")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, target: Path) -> Path:
    run = draw_run(tmp_path_factory.mktemp("runs") / "first", target)
    evaluate_run(run, target, 1)
    evaluate_run(run, target, 2, stage="pretrained")
    return run


@pytest.fixture(scope="module")
def reader(run: Path, target: Path) -> Reader:
    return Reader(render(read_runs([run]), [target]))


def assert_safe(reader: Reader) -> None:
    assert {tag for tag, _ in reader.tags} <= set(TAGS.split())
    for tag, attributes in reader.tags:
        assert not set(attributes) - set(ATTRIBUTES.split()), (tag, attributes)
        assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
        assert attributes.get("href", "#")[0] == "#" or attributes["href"] == "data:,"


def test_everything_is_there(reader: Reader) -> None:
    assert_safe(reader)
    for words in (
        "rank-1",
        "mAP trapezoid",
        "mINP",
        "Cumulative match curve",
        "Ranked lists",
        "Renderings",
        "config.yaml",
    ):
        assert words in reader.text, words
    assert reader.count("svg", role="img") == 1 + 4
    assert reader.count("caption") == 1
    assert reader.count("progress") == 2
    assert "best: " in reader.text
    assert "height: 64" in reader.text
    assert "genreid evaluate" in reader.text
    assert "seed 0" in reader.text
    pictures = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert all(attributes["alt"] for attributes in pictures)
    verdicts = {word: reader.count("li", class_=word) for word in ("right", "wrong", "junk")}
    assert min(verdicts.values()) > 1, verdicts
    lists = reader.count("ol", class_="hits")
    assert lists == 2 * 8
    assert len(pictures) == 8 + sum(verdicts.values()) - 3 + 1


def test_the_policy_forbids_all_but_pictures_in_the_page_and_this_style(run: Path) -> None:
    page = render(read_runs([run]))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in page.replace("http-equiv", "")


def test_the_same_runs_give_the_same_page(run: Path) -> None:
    assert render(read_runs([run])) == render(read_runs([run]))


def test_people_are_announced(run: Path, target: Path, reader: Reader) -> None:
    assert "This page contains pictures of people" in reader.text
    (target / "synthetic.json").write_text("{}")
    try:
        (run / "images" / "renderings.png").rename(run / "elsewhere.png")
        text = Reader(render(read_runs([run]), [target])).text
        (run / "elsewhere.png").rename(run / "images" / "renderings.png")
        assert "This page contains pictures of people" not in text
        assert "they do not exist" in text
        # nobody knows of whom the renderings are: their source is gone
        assert "This page contains pictures of people" in Reader(render(read_runs([run]))).text
    finally:
        (target / "synthetic.json").unlink()


def test_only_pictures_of_data_that_the_reader_names_are_shown(
    run: Path, target: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "home" / "passport.png"
    secret.parent.mkdir()
    Image.new("RGB", (8, 8), (250, 0, 0)).save(secret)
    stranger = draw_run(tmp_path / "stranger", target)
    record = evaluate_run(stranger, target)
    content = json.loads(record.read_text())
    for item in content["lists"]:
        item["path"] = str(secret)
    content["lists"][0]["path"] = f"{target}/../{os.path.relpath(secret, target.parent)}"
    record.write_text(json.dumps(content))
    (stranger / "images" / "evil.png").symlink_to(secret)
    with pytest.raises(ValueError, match=r"evil\.png is a link out of the run"):
        read_runs([stranger])
    (stranger / "images" / "evil.png").unlink()
    for data in ([], [target], [tmp_path / "absent"]):
        reader = Reader(render(read_runs([stranger]), data))
        sizes = [(tag["width"], tag["height"]) for name, tag in reader.tags if name == "img"]
        assert ("8", "8") not in sizes
        assert (("16", "32") in sizes) == (data == [target])
        assert f"genreid report {stranger} --data DIR" in reader.text
    shown = Reader(render(read_runs([stranger]), [target, secret.parent]))
    assert ("8", "8") in [(tag["width"], tag["height"]) for name, tag in shown.tags if name == "img"]
    assert "--data DIR" not in Reader(render(read_runs([run]), [target])).text


def test_links_in_the_readers_own_data_are_followed(run: Path, target: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(target)
    whole = render(read_runs([run]), [target])
    assert render(read_runs([run]), [tmp_path / "link"]) == whole
    assert render(read_runs([run]), [target / "query" / "..", target / "bounding_box_test"]) == whole


def test_a_page_without_pictures_says_nothing_of_people(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{}")
    text = Reader(render(read_runs([tmp_path]))).text
    assert "This page contains pictures" not in text
    assert "do not exist" not in text


def test_runs_stand_side_by_side(run: Path, target: Path, tmp_path: Path) -> None:
    other = draw_run(tmp_path / "second", target, seed=1)
    evaluate_run(other, target, 3)
    bare = draw_run(tmp_path / "third", target, seed=2)
    reader = Reader(render(read_runs([run, other, bare])))
    assert_safe(reader)
    assert reader.count("table", class_="results") == 1
    assert "first / pretrained" in reader.text
    assert "second / adapted" in reader.text
    assert "No evaluation of third is recorded; type genreid evaluate" in reader.text
    assert reader.count("table", class_="differences") == 1
    assert "stage2.iterations" in reader.text
    assert reader.count("ol", class_="hits") == 3 * max(FEWEST_QUERIES, 20 // 3)
    assert reader.count("figure", class_="sheet") == 3
    assert reader.count("h3") == 3 + 1 + 1 + 2  # cards, table, picture, stages


EVIL = "<script>alert(1)</script>\"'&{{ 7 * 7 }}<img src=x onerror=alert(1)>".replace("/", "")


def test_hostile_names_are_text(tmp_path: Path, target: Path) -> None:
    run = draw_run(tmp_path / EVIL, target)
    record = evaluate_run(run, target)
    content = json.loads(record.read_text())
    content["name"] = content["data"]["folder"] = EVIL
    content["features"] = {"stage": EVIL, "pooling": EVIL}
    content["made_by"] = {"genreid": EVIL, "commit": EVIL}
    content["lists"][0]["path"] = content["lists"][0]["images"][0]["path"] = f"/{EVIL}"
    record.write_text(json.dumps(content))
    record.with_name("broken.json").write_text(json.dumps({EVIL: EVIL}))
    job = dict.fromkeys(
        ("source", "target", "renderer", "seed", "precision", "version", "torch", "commit", EVIL), EVIL
    )
    (run / "job.json").write_text(json.dumps(job))
    (run / "config.yaml").write_text(json.dumps({EVIL: EVIL}))
    (run / "metrics.jsonl").write_text(json.dumps({"stage": EVIL, "step": 1, EVIL: 1.0}) + "\n")
    (run / "images" / "renderings.png").rename(run / "images" / f"{EVIL}.png")
    (run / "images" / "broken.png").write_text(EVIL)
    (run / "checkpoints" / EVIL / "1").mkdir(parents=True)
    other = draw_run(tmp_path / f"2{EVIL}", target)
    page = render(read_runs([run, other]))
    reader = Reader(page)
    assert_safe(reader)
    assert page.count(EVIL) == 0
    assert reader.text.count(EVIL) > 20
    assert "49<img" not in reader.text


def test_names_that_are_no_utf8(tmp_path: Path, target: Path) -> None:
    run = draw_run(Path(f"{tmp_path}/r\udcff"), target)
    evaluate_run(run, target)
    assert "r?" in write_report([run], tmp_path / "out.html").read_text(encoding="utf-8")


def test_broken_parts_do_not_stop_the_page(tmp_path: Path, target: Path) -> None:
    run = draw_run(tmp_path / "r", target)
    record = evaluate_run(run, target)
    content = json.loads(record.read_text())
    for item in content["lists"]:
        for image in item["images"]:
            image["path"] = str(tmp_path / "gone.jpg")
    record.write_text(json.dumps(content))
    record.with_name("x.json").write_text("{")
    picture = run / "images" / "renderings.png"
    picture.write_bytes(picture.read_bytes()[:60])
    log = run / "metrics.jsonl"
    log.write_text(log.read_text() + '{"stage": "rend')
    reader = Reader(render(read_runs([run]), [tmp_path]))
    for words in (
        "no picture: no such file",
        "evaluations/x.json is left out",
        "cannot be read",
        "is cut off",
    ):
        assert words in reader.text, words


@pytest.mark.parametrize("part", ["job.json", "config.yaml", "metrics.jsonl", "checkpoints", "images"])
def test_missing_parts_say_what_is_missing(tmp_path: Path, part: str) -> None:
    whole = draw_run(tmp_path / "whole", tmp_path / "B")
    (tmp_path / "r").mkdir()
    (whole / part).rename(tmp_path / "r" / part)
    text = Reader(render(read_runs([tmp_path / "r"]))).text
    assert "No evaluation is recorded" in text
    assert "genreid evaluate" in text
    assert ("No pictures" in text) == (part != "images")
    assert ("No loss curves" in text) == (part != "metrics.jsonl")
    assert ("has no config.yaml" in text) == (part != "config.yaml")


# Files


def test_one_run_has_its_page_in_its_folder(run: Path) -> None:
    path = write_report([run])
    assert path == run / "report.html"
    first = path.read_bytes()
    assert write_report([run]).read_bytes() == first
    assert not list(run.glob(".report*"))
    path.unlink()


def test_several_runs_have_it_in_the_working_folder(
    run: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = draw_run(tmp_path / "second", target)
    monkeypatch.chdir(tmp_path)
    assert write_report([run, other]) == Path("report.html")
    assert (tmp_path / "report.html").is_file()


def test_another_file_is_not_replaced(run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "thesis.html"
    mine.write_text("years of work")
    with pytest.raises(ValueError, match="is no report of genreid"):
        write_report([run], mine)
    assert mine.read_text() == "years of work"
    assert GENERATOR_MARK in write_report([run], mine, force=True).read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="is a folder; give a file"):
        write_report([run], tmp_path)
    assert write_report([run], tmp_path / "new" / "page.html").is_file()


def test_a_folder_that_is_no_run_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no run folder"):
        write_report([tmp_path])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (99.4, "99 s"), (120, "2 min"), (5900, "98 min"), (11100, "3 h 5 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
