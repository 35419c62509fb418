"""Synthetic people: exact masks, one wardrobe for each person, the same bytes for the same options."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from genreid.data import DISTRACTOR_PID, JUNK_PID, load_dataset
from genreid.data.check import check_dataset
from genreid.drawn import picture as pictures
from genreid.drawn.chance import chance
from genreid.drawn.mesh import Frame, Layer, Ring, Tube, View, draw_tubes
from genreid.drawn.networks import NETWORKS
from genreid.drawn.obstacles import OBSTACLES, put_before
from genreid.drawn.person import build_person
from genreid.drawn.picture import Shot, Studio, over, person_of, take_picture
from genreid.drawn.plan import Synthesis, plan
from genreid.drawn.pose import strike_pose
from genreid.drawn.scenes import SCENE_WIDTH, Lamp, Window, light_on
from genreid.drawn.wardrobe import Garment, dress
from genreid.drawn.write import synthesize
from genreid.masks.store import mask_path, read_mask

SIZE = (64, 32)
SMALL = Synthesis(pids=4, height=64, width=32, images_per_camera=2)
FRONTAL = View(0.0, 0.0, 8.0, (0.0, 0.0, 1.0), 1.0, 0.0)


def digests(root: Path) -> dict[str, str]:
    """Return relative path -> hash of every file."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def body(seed: int, heading: float, size: tuple[int, int] = SIZE) -> Layer:
    """Draw somebody from a side."""
    random = chance(seed, "test")
    person = dress(random)
    tubes = build_person(person, strike_pose(random, heading))
    return draw_tubes(tubes, replace(FRONTAL, heading=heading), Frame(0.9, 0.5, 0.5), size)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic")
    synthesize(root, root / "masks", SMALL, shown=False)
    return root


def test_the_same_options_give_the_same_bytes(written: Path, tmp_path: Path) -> None:
    pictures.scene_of.cache_clear()
    pictures.person_of.cache_clear()
    synthesize(tmp_path, tmp_path / "masks", SMALL, shown=False)
    assert digests(tmp_path) == digests(written)


def test_a_picture_does_not_depend_on_those_before() -> None:
    studio = Studio("B", 3, SIZE)
    alone = take_picture(studio, Shot(7, 2, 1))
    take_picture(studio, Shot(1, 4, 0))
    again = take_picture(studio, Shot(7, 2, 1))
    assert np.array_equal(alone.pixels, again.pixels)
    assert np.array_equal(alone.mask, again.mask)


@pytest.mark.parametrize("change", [{"seed": 1}, {"domain": "B"}])
def test_seeds_and_domains_differ(written: Path, tmp_path: Path, change: dict[str, object]) -> None:
    other = replace(SMALL, **change)  # type: ignore[arg-type]
    synthesize(tmp_path, tmp_path / "masks", other, shown=False)
    assert not set(digests(tmp_path).values()) & set(digests(written).values())
    assert person_of(SMALL.studio, 1) != person_of(other.studio, 1)


def test_the_tree_is_market_1501s(written: Path) -> None:
    dataset = load_dataset(written)
    assert dataset.format == "market1501"
    check = check_dataset(dataset, written / "masks", workers=1, shown=False)
    assert not (check.unreadable)
    assert not (check.queries_without_match)
    assert not (check.people_in_both)
    assert check.train.pids == check.query.pids == check.gallery.pids == 2
    assert check.gallery.junk >= 1
    assert check.gallery.distractors >= 1
    assert check.masks is not None
    assert not (check.masks.missing)
    assert not (check.masks.unreadable)
    assert len(plan(SMALL)) == check.masks.found
    assert check.can_train
    assert check.can_evaluate


def test_six_cameras_see_people() -> None:
    planned = plan(Synthesis(pids=30))
    assert {len(network) for network in NETWORKS.values()} == {6}
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        shots = [item.shot for item in planned if item.folder == folder]
        assert {shot.camid for shot in shots} == {1, 2, 3, 4, 5, 6}
    assert len({(item.folder, item.name) for item in planned}) == len(planned)


def test_junk_and_distractors_are_not_people_of_the_test() -> None:
    planned = plan(Synthesis(pids=30))
    junk = [item for item in planned if item.name.startswith(f"{JUNK_PID}_")]
    distractors = [item for item in planned if item.name.startswith(f"{DISTRACTOR_PID:04d}_")]
    assert {item.shot.framing for item in junk} == {"cut off"}
    assert {item.shot.framing for item in distractors} == {"empty", "whole"}
    assert all(item.shot.who < 0 for item in distractors)
    assert all(item.shot.who % 2 == 0 for item in junk)


@pytest.mark.parametrize("heading", [0.0, np.pi / 2, np.pi, -np.pi / 2, 0.7])
def test_the_mask_is_what_is_drawn(heading: float) -> None:
    layer = body(4, heading)
    black = over(np.zeros((*SIZE, 3), np.float32), layer)
    white = over(np.full((*SIZE, 3), 255, np.float32), layer)
    seen_through = (white - black).mean(axis=2) / 255  # 0 where both are the same: all person
    assert np.array_equal(seen_through == 0, layer.coverage == 1)
    assert np.array_equal(seen_through <= 0.5, layer.coverage >= 0.5)
    assert 0.1 < (layer.coverage >= 0.5).mean() < 0.6


def test_a_picture_differs_from_its_empty_scene_just_in_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_it_is(scene: NDArray[np.float32], *_: object) -> NDArray[np.uint8]:
        return scene.astype(np.uint8)

    monkeypatch.setattr(pictures, "expose", as_it_is)
    monkeypatch.setattr(pictures, "_company", lambda *_: ([], []))
    shown = []
    for grey in (0, 255):
        plain = np.full((*SIZE, 3), grey, np.float32)
        monkeypatch.setattr(pictures, "look_through", lambda *_, plain=plain: plain)
        monkeypatch.setattr(pictures, "_shadowed", lambda picture, *_: picture)
        shown.append(take_picture(Studio("A", 0, SIZE), Shot(5, 1, 0)))
    (black, mask), (white, other_mask) = shown
    assert np.array_equal(mask, other_mask)
    seen_through = (white.astype(int) - black).max(axis=2) / 255
    assert mask[seen_through == 0].all()
    assert np.array_equal(mask == 1, seen_through <= 0.5 + 1 / 255)


def test_what_stands_before_the_person_is_no_person(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, shot, masks = Studio("A", 0, (128, 64)), Shot(2, 5, 0), []
    monkeypatch.setattr(
        pictures,
        "_passer_by",
        lambda *_: (Layer(np.zeros((128, 64, 3), np.float32), np.zeros((128, 64), np.float32)), True),
    )
    for share in (0.0, 1.0):
        monkeypatch.setattr(pictures, "OBSTACLE_SHARE", share)
        masks.append(take_picture(studio, shot).mask)
    without, behind_a_rail = masks
    assert not (behind_a_rail & ~without).any()
    assert behind_a_rail.sum() < without.sum() - 50
    assert np.array_equal(behind_a_rail[:70], without[:70])


@pytest.mark.parametrize("name", OBSTACLES)
def test_obstacles_leave_most_of_the_picture_free(name: str) -> None:
    shares = [
        float(put_before(name, (200, 40, 40), (128, 64), chance(seed)).coverage.mean()) for seed in range(20)
    ]
    assert min(shares) > 0.01
    assert max(shares) < 0.4


def test_no_cloth_is_even() -> None:
    studio, layers = Studio("A", 0, (128, 64)), []
    person = replace(
        person_of(studio, 1), top=Garment((120, 120, 120), (0, 0, 0), "plain"), carried="nothing"
    )
    for creases in (0.0, 0.2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pictures, "CREASES", creases)
            layers.append(
                pictures._draw(person, NETWORKS["A"][0], 0.0, Frame(0.9, 0.5, 0.5), (128, 64), chance(4))
            )
    even, creased = layers
    assert np.array_equal(even.coverage, creased.coverage)
    chest = np.s_[35:50, 27:37]
    assert even.colour[chest].std() < creased.colour[chest].std() - 3


def test_masks_are_read_by_the_room_of_masks(written: Path) -> None:
    for sample in load_dataset(written).train:
        path = mask_path(written / "masks", written, sample.path)
        mask = read_mask(path)
        assert mask.shape == SIZE
        with Image.open(path) as image:
            assert image.mode == "1"


def test_a_person_is_the_same_in_every_picture() -> None:
    studio = Studio("A", 0, SIZE)
    person = person_of(studio, 9)
    pictures.person_of.cache_clear()
    assert person_of(studio, 9) == person
    assert len({person_of(studio, who) for who in range(60)}) == 60


def test_sides_look_different() -> None:
    random = chance(0, "print")
    person = replace(
        dress(random),
        top=Garment((20, 20, 200), (250, 250, 20), "front print"),
        carried="backpack",
        carried_colour=(10, 240, 10),
        sleeve_colour=(20, 20, 200),
        cut="short",
        hat="none",
        scarf=None,
    )
    colours = {}
    for side, heading in (("front", 0.0), ("back", np.pi)):
        pose = replace(strike_pose(chance(1), heading), head_turn=0, elbows=(0.1, 0.1))
        layer = draw_tubes(
            build_person(person, pose), replace(FRONTAL, heading=heading), Frame(0.95, 0.5, 0.5), (128, 64)
        )
        pixels = layer.colour.reshape(-1, 3)
        colours[side] = {
            "print": int(((pixels[:, 0] > 200) & (pixels[:, 2] < 60)).sum()),
            "bag": int(((pixels[:, 1] > 200) & (pixels[:, 0] < 60)).sum()),
        }
    assert colours["front"]["print"] > 20 > colours["back"]["print"]
    assert colours["back"]["bag"] > 3 * colours["front"]["bag"]


@pytest.mark.parametrize("pattern", ["hoops", "wide hoops", "pinstripes", "checks", "tartan", "yoke", "open"])
def test_patterns_show_both_colours(pattern: str) -> None:
    person = replace(
        dress(chance(3)),
        top=Garment((250, 10, 10), (10, 10, 250), pattern),  # type: ignore[arg-type]
        carried="nothing",
        scarf=None,
    )
    pose = strike_pose(chance(2), 0.0)
    layer = draw_tubes(build_person(person, pose), FRONTAL, Frame(0.9, 0.5, 0.5), (128, 64))
    red = (layer.colour[..., 0] > 200) & (layer.colour[..., 2] < 50)
    blue = (layer.colour[..., 2] > 200) & (layer.colour[..., 0] < 50)
    assert red.sum() > 20
    assert blue.sum() > 20


def test_near_tubes_hide_far_ones() -> None:
    red, green = np.zeros((1, 12, 3), np.float32), np.zeros((1, 12, 3), np.float32)
    red[..., 0], green[..., 1] = 255, 255
    near = Tube([Ring(0, 1.2, 0.5, 0.2, 0.1), Ring(0, 0.6, 0.5, 0.2, 0.1)], red)
    far = Tube([Ring(0, 1.2, -0.5, 0.2, 0.1), Ring(0, 0.6, -0.5, 0.2, 0.1)], green)
    for heading, first, second in ((0.0, 0, 1), (np.pi, 1, 0)):
        for order in ([near, far], [far, near]):
            middle = draw_tubes(order, replace(FRONTAL, heading=heading), Frame(0.8, 0.5, 0.5), SIZE).colour[
                32, 16
            ]
            assert middle[first] > 200
            assert middle[second] == 0


def test_domains_differ_in_sharpness_and_not_in_brightness() -> None:
    shown = {
        domain: np.stack(
            [
                take_picture(Studio(domain, 0, SIZE), Shot(who, camera, 0)).pixels.astype(float)
                for who in range(1, 9)
                for camera in range(1, 7)
            ]
        )
        for domain in NETWORKS
    }
    # cameras expose by themselves: it is no moment of brightness or colour that tells the domains apart
    means = {domain: pictures.mean((0, 1, 2)) for domain, pictures in shown.items()}
    assert np.abs(means["A"] - means["B"]).max() < 12
    steps = {domain: np.abs(np.diff(pictures, axis=2)).mean() for domain, pictures in shown.items()}
    assert steps["A"] > 1.2 * steps["B"]
    qualities = {domain: [place.look.quality for place in places] for domain, places in NETWORKS.items()}
    assert min(qualities["A"]) > max(qualities["B"])


def test_a_lamp_lights_what_is_below_it() -> None:
    lamps = (Lamp((2.0, 1.0, 0.5), 0.5), Lamp((1.0, 1.0, 1.0), 0.5))
    wide = 65 / 128  # of a crop as high as the scene
    below = Window((SCENE_WIDTH / 4 - wide / 2) / (SCENE_WIDTH - wide), 0.0, 1.0)
    light = light_on(lamps, below, (128, 65))
    assert light.shape == (65, 3)  # one column is at the lamp's middle
    assert np.allclose(light[32], (2.0, 1.0, 0.5), atol=1e-3)
    assert light[0, 0] == pytest.approx(2 ** np.exp(-((0.25 / 0.5) ** 2)), rel=1e-3)  # 32 columns off
    assert np.allclose(light_on(lamps, Window(1.0, 0.0, 1.0), (128, 65)), 1, atol=1e-3)


def test_people_are_lit_as_their_surroundings_are(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, shot = Studio("B", 0, SIZE), Shot(3, 2, 0)
    monkeypatch.setattr(pictures, "light_on", lambda *_: np.ones((SIZE[1], 3), np.float32))
    unlit = take_picture(studio, shot)
    monkeypatch.setattr(pictures, "light_on", lambda *_: np.full((SIZE[1], 3), 0.5, np.float32))
    lit = take_picture(studio, shot)
    assert np.array_equal(unlit.mask, lit.mask)
    for part in (lit.mask == 1, lit.mask == 0):
        assert lit.pixels[part].mean() < unlit.pixels[part].mean() - 10


def test_a_broken_off_run_goes_on(written: Path, tmp_path: Path) -> None:
    synthesize(tmp_path, tmp_path / "masks", SMALL, shown=False)
    lost = min((tmp_path / "query").iterdir())
    lost.unlink()
    answer = synthesize(tmp_path, tmp_path / "masks", SMALL, shown=False)
    assert answer.kept == answer.images - 1
    assert digests(tmp_path) == digests(written)


def test_another_data_set_is_never_mixed_in(written: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="made with other options"):
        synthesize(written, written / "masks", replace(SMALL, seed=9), shown=False)
    (tmp_path / "query").mkdir()
    encoded = io.BytesIO()
    Image.new("RGB", (4, 4)).save(encoded, format="PNG")
    (tmp_path / "query" / "own.png").write_bytes(encoded.getvalue())
    with pytest.raises(ValueError, match="of another origin"):
        synthesize(tmp_path, tmp_path / "masks", SMALL, shown=False)


def test_masks_do_not_go_among_the_images(tmp_path: Path) -> None:
    for masks in (tmp_path, tmp_path / "query"):
        with pytest.raises(ValueError, match="choose another with --masks"):
            synthesize(tmp_path, masks, SMALL, shown=False)


@pytest.mark.parametrize(
    "wrong",
    [{"domain": "C"}, {"pids": 1}, {"pids": 10_000}, {"seed": -1}, {"height": 4}, {"images_per_camera": 1}],
)
def test_what_cannot_be_made_is_refused(wrong: dict[str, object]) -> None:
    (option,) = wrong
    with pytest.raises(ValueError, match=f"--{option.replace('_', '-')} must be .* got"):
        Synthesis(**wrong)  # type: ignore[arg-type]
