"""A shelf watched by one camera: what is looked at, what is embedded, and what is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import cv2
import numpy as np
import pytest
from live.live_scene import PLACES, STRANGER, Film, Scene, kinds, pack

from recognition.live.engine import Engine
from recognition.live.items import Item
from recognition.live.parallax import Parallax
from recognition.live.views import Look
from recognition.live.votes import Votes
from recognition.settings import StreamSettings
from recognition.types import Detections, Gap

REACH = (100, 40, 200, 240)


def shelf(count: int = 6) -> Scene:
    return Scene({place: number for number, place in enumerate(PLACES[:count], 1)})


@pytest.fixture
def film() -> Film:
    """A shelf of six products that has been looked at for two seconds."""
    made = Film(shelf())
    made.play(2)
    return made


def test_an_empty_shelf_gives_an_empty_planogram() -> None:
    film = Film(Scene())
    assert film.session.planogram() is None
    assert film.play(1) == []
    result = film.session.planogram()
    assert result is not None and len(result.detections) == 0


def test_each_product_appears_once_and_is_embedded_once(film: Film) -> None:
    assert kinds(film.events) == [(kind, f"S{n}") for kind in ("appeared", "recognized") for n in range(1, 7)]
    assert film.scene.embedded == 6
    slots = film.session.planogram().layout.slots
    assert [slot.sku for slot in slots] == [1, 2, 3, 4, 5, 6]


def test_a_still_picture_is_looked_at_once_every_n_seconds_and_skips_are_counted(film: Film) -> None:
    before = film.scene.detected
    assert film.play(30) == []
    assert film.scene.detected - before == 30 / StreamSettings().every_s
    assert film.session.skipped + film.session.processed == 320
    assert film.scene.embedded == 6


@pytest.mark.parametrize("flicker", [0.93, 1.06])
def test_noise_and_flicker_are_no_change(flicker: float) -> None:
    film = Film(shelf())
    film.scene.noise = 3
    film.play(2)
    before = film.scene.detected
    for step in range(20):
        film.scene.light = flicker if step % 2 else 1.0
        assert film.play(0.1) == []
    assert film.scene.detected == before


def test_a_hand_that_passes_or_stays_takes_nothing(film: Film) -> None:
    for x in range(0, 480, 40):
        film.scene.hand = (x, 40, x + 90, 240)
        assert film.play(0.2) == []
    film.scene.hand = REACH
    assert film.play(3) == []
    film.scene.hand = None
    assert film.play(2) == []
    assert film.scene.embedded == 6


def test_taken_and_restocked_within_a_second_of_the_truth(film: Film) -> None:
    film.scene.hand = REACH
    film.play(0.5)
    del film.scene.places[PLACES[1]]
    film.play(0.3)
    film.scene.hand, taken = None, film.seconds
    (gone,) = film.play(3)
    assert kinds([gone]) == [("disappeared", "S2")] and abs(gone.seconds - taken) < 1
    assert gone.time.startswith("2026-11-21T10:00:0") and gone.confidence > 0.8
    assert len(film.session.planogram().detections) == 5
    film.scene.hand = REACH
    film.play(0.5)
    film.scene.places[PLACES[1]], film.scene.hand, brought = 2, None, film.seconds
    (back,) = film.play(3)
    assert kinds([back]) == [("restocked", "S2")] and abs(back.seconds - brought) < 1
    assert back.track == gone.track


def test_another_product_in_an_empty_place_appears(film: Film) -> None:
    del film.scene.places[PLACES[1]]
    film.play(3)
    film.scene.places[PLACES[1]] = 8
    assert kinds(film.play(3)) == [("appeared", "S8"), ("recognized", "S8")]
    assert len(film.session.shelf.items) == 6


def test_a_swap_behind_a_hand_is_a_change_though_the_track_goes_on(film: Film) -> None:
    film.scene.hand = REACH
    film.play(0.3)
    film.scene.places[PLACES[1]], film.scene.hand = 7, None
    (changed,) = film.play(4)
    assert kinds([changed]) == [("changed", "S7")] and changed.was == "S2"


def test_a_product_that_is_pushed_along_has_moved() -> None:
    film = Film(shelf(3))
    film.play(2)
    place, sku = PLACES[2], film.scene.places.pop(PLACES[2])
    for step in range(1, 13):
        film.scene.places = {**shelf(2).places, (place[0] + 5 * step, place[1], place[2] + 5 * step, place[3]): sku}
        film.play(0.1)
    (moved,) = film.play(2)
    assert kinds([moved]) == [("moved", "S3")]
    assert moved.was == pytest.approx(place, abs=2) and moved.box[0] == pytest.approx(place[0] + 60, abs=3)


def test_a_product_that_the_detector_overlooks_is_still_there(film: Film) -> None:
    film.scene.missed, film.scene.light = {PLACES[0]}, 0.9
    assert film.play(20) == []
    assert len(film.session.planogram().detections) == 6


def test_a_walk_shows_every_product_once() -> None:
    places = {(20 + 75 * i, 60, 75 + 75 * i, 160): i % 9 + 1 for i in range(9)}
    film = Film(Scene(places, noise=2))
    film.play(1)
    for pan in range(0, 264, 12):
        film.scene.pan = pan
        film.play(0.1)
    film.play(1)
    assert sorted(kinds(film.events)) == sorted((k, f"S{n}") for k in ("appeared", "recognized") for n in range(1, 10))
    assert [slot.sku for slot in film.session.planogram().layout.slots] == list(range(1, 10))
    assert len(film.session.picture().detections) < 9


def test_a_gap_resets_tracks_and_keeps_products_and_a_new_size_is_the_same_shelf(film: Film) -> None:
    lost = film.session.gap(Gap("cam", 20, "read", "camera cam: no frame for 12 s", since=1000.0))
    back = film.session.gap(Gap("cam", 20, "read", "the same", since=1000.0, until=1012.0))
    assert (lost.event.value, lost.was) == ("gap", "camera cam: no frame for 12 s") and film.session.gaps == 1
    assert back.was == "pictures again after 12.0 s" and len(film.session.tracks) == 0
    assert film.play(2) == []
    assert film.scene.embedded == 6


def restless_film(rounds: int, between_s: float) -> list[int]:
    """What is held in memory after each of many changes of one place."""
    film, dice, held = Film(shelf(), settings=StreamSettings(every_s=600)), np.random.default_rng(0), []
    film.play(1)
    for _ in range(rounds):
        place = PLACES[dice.integers(len(PLACES))]
        if film.scene.places.pop(place, None) is None:
            film.scene.places[place] = int(dice.integers(1, 9))
        film.play(1.2)
        film.seconds += between_s
        held.append(len(film.session.shelf.items) + len(film.session.tracks))
    assert all(len(item.votes._sums) <= 9 for item in film.session.shelf.items)
    return held


def test_memory_stays_flat_whatever_comes_and_goes() -> None:
    assert max(restless_film(15, between_s=3600)) <= 3 * len(PLACES)


def test_a_part_of_the_shelf_that_is_shown_no_more_is_forgotten(film: Film) -> None:
    film.session.shelf.items[0].part = 7
    film.play(1)
    assert {item.part for item in film.session.shelf.items} == {0, 7}
    film.seconds += 3700
    film.play(1)
    assert {item.part for item in film.session.shelf.items} == {0}


@pytest.mark.slow
def test_a_week_leaves_no_more_in_memory_than_a_day() -> None:
    held = restless_film(7 * 24 * 6, between_s=598.8)
    assert max(held) <= max(held[:144]) + 2 and max(held) <= 3 * len(PLACES)


def test_a_box_around_a_piece_of_a_product_is_no_product(film: Film) -> None:
    """A blurred picture: the detector finds halves in place of the whole, in every other frame."""
    x0, y0, x1, y1 = PLACES[1]
    whole = film.scene.detect

    def halves(images):
        (found,) = whole(images)
        if film.scene.detected % 2:
            return [found]
        boxes = [b for b in found.xyxy.tolist() if b[0] != x0] + [[x0, y0, x1, y0 + 50], [x0, y0 + 50, x1, y1]]
        return [Detections(np.array(boxes, np.float32), np.full(len(boxes), 0.9, np.float32))]

    film.scene.detect, film.scene.noise = halves, 12
    assert film.play(4) == []
    assert len(film.session.planogram().detections) == 6


def test_a_better_view_corrects_an_answer_and_only_another_look_is_a_change(film: Film) -> None:
    for item in film.session.shelf.items:
        item.votes._held, item.votes._sums, item.told = 9, {9: 0.4}, replace(item.told, sku=9)
        item.retries, item.votes._last_candidate = 0, 1
    film.scene.light = 0.9
    assert kinds(film.play(4)) == [("recognized", f"S{n}") for n in range(1, 7)]


def test_a_product_that_is_found_late_appeared_when_its_place_was_first_seen() -> None:
    film = Film(shelf())
    film.scene.missed = {PLACES[2]}
    film.scene.noise = 12
    assert ("appeared", "S3") not in kinds(film.play(4))
    film.scene.missed = set()
    (found,) = [event for event in film.play(14) if event.event.value == "appeared"]
    assert found.sku == "S3" and found.seconds < 0.5


def test_of_two_boxes_in_one_place_the_one_that_is_found_more_often_is_the_product() -> None:
    """A pack is found in halves at first, then whole."""
    film = Film(shelf())
    x0, y0, x1, y1 = PLACES[1]
    whole = film.scene.detect

    def halves(images):
        (found,) = whole(images)
        boxes = [b for b in found.xyxy.tolist() if b[0] != x0] + [[x0, y0, x1, y0 + 50], [x0, y0 + 50, x1, y1]]
        return [Detections(np.array(boxes, np.float32), np.full(len(boxes), 0.9, np.float32))]

    film.scene.noise, film.scene.detect = 12, halves
    film.play(3)
    assert len(film.session.shelf.present) == 7
    film.scene.detect = whole
    news = film.play(30)
    assert len(film.session.shelf.present) == 6
    assert {event.event.value for event in news} <= {"recognized"}


def test_a_candidate_that_comes_and_goes_is_not_believed(film: Film) -> None:
    film.scene.places[(320, 200, 375, 235)] = 7
    for frame in range(40):
        film.scene.missed = {(320, 200, 375, 235)} if frame % 3 else set()
        film.scene.light = 1 + 0.1 * (frame % 2)
        film.scene.hand = (10, 180 + frame % 7, 60, 239)  # the picture changes, so every frame is looked at
        assert film.play(0.1) == []


def test_a_product_whose_first_view_is_poor_is_looked_at_again() -> None:
    film = Film(shelf())
    film.scene.confidence = 0.1
    film.play(0.6)
    assert film.scene.embedded == 6 and film.session.planogram().matches.confidence.max() < 0.6
    film.scene.confidence = 0.9
    film.play(3)
    assert 6 * 2 <= film.scene.embedded <= 6 * 4
    assert (film.session.planogram().matches.decided == np.arange(1, 7)).all()


def test_a_camera_stands_however_much_of_its_shelf_is_changed(film: Film) -> None:
    for number, place in enumerate(PLACES[:4]):
        film.scene.places[place] = 9 - number
        film.play(1.5)
    assert np.array_equal(film.session._motion.to_part, np.eye(3))
    assert len(film.session._motion.map.keyframes) == 1


@pytest.mark.parametrize("moved", [False, True])
def test_before_a_camera_that_moves_nothing_is_told_of_what_has_no_name(film: Film, moved: bool) -> None:
    """Packs behind others slide into view and out of it."""
    shelf, nameless = film.session.shelf, film.session.shelf.items[2]
    nameless.votes, nameless.told = Votes(), None
    nameless.retries, nameless.fresh, nameless.best = 9, False, 1e9
    shelf._moved = nameless.first if moved else -1e9
    del film.scene.places[PLACES[2]]
    assert [kind for kind, _ in kinds(film.play(3))] == ([] if moved else ["disappeared"])
    assert len(film.session.planogram().detections) == 5


@pytest.mark.parametrize(("deep", "moved", "told"), [(True, True, False), (True, False, True), (False, True, True)])
def test_what_may_have_slid_behind_the_front_while_the_camera_moved_is_not_told(
    film: Film, monkeypatch: pytest.MonkeyPatch, deep: bool, moved: bool, told: bool
) -> None:
    item, front = film.session.shelf.items[2], film.session.shelf.items[3].home
    monkeypatch.setattr(Parallax, "open", property(lambda own: own is item.parallax and deep))
    monkeypatch.setattr(Parallax, "straight", lambda own, box: front if own is item.parallax else box)
    film.session.shelf._moved = film.seconds if moved else -1e9
    del film.scene.places[PLACES[2]]
    assert (("disappeared", "S3") in kinds(film.play(3))) == told


@pytest.mark.parametrize(("moved", "told"), [(False, [("changed", "")]), (True, [])])
def test_what_a_moving_camera_does_not_name_again_has_not_changed(moved: bool, told: list[tuple[str, str]]) -> None:
    film = Film(Scene({PLACES[1]: 1, PLACES[2]: 2, PLACES[4]: 4}))
    film.play(3.0)
    film.session.shelf._moved = film.seconds if moved else -1e9
    film.scene.places[PLACES[2]] = STRANGER
    assert kinds(film.play(8.0)) == told
    film.scene.places[PLACES[2]] = 3
    assert kinds(film.play(4.0))[-1][1] == "S3"


def test_a_camera_that_never_moved_tells_of_a_product_without_a_name() -> None:
    film = Film(Scene({PLACES[1]: 1, PLACES[3]: STRANGER}))
    assert kinds(film.play(4.0)) == [("appeared", "S1"), ("recognized", "S1"), ("appeared", "")]
    del film.scene.places[PLACES[3]]
    assert kinds(film.play(4.0)) == [("disappeared", "")]


def test_a_product_that_comes_where_a_slice_of_another_was_found_appears() -> None:
    behind, before = (20, 60, 48, 160), (28, 60, 83, 160)
    film = Film(Scene({PLACES[3]: 1, behind: 7}))
    film.play(3.0)
    del film.scene.places[behind]
    film.scene.places[before] = 5
    assert ("appeared", "S5") in kinds(film.play(3.0))
    assert len(film.session.planogram().detections) == 2


def test_a_slice_that_gives_way_to_the_whole_product_is_no_news() -> None:
    film = Film(Scene({PLACES[3]: 1, PLACES[0]: 5}))
    piece = (20, 60, 50, 160)
    whole = film.scene.detect
    film.scene.detect = lambda images: [replace(one, xyxy=sliced(one.xyxy, piece)) for one in whole(images)]
    film.play(3.0)
    film.scene.detect = whole
    assert [kind for kind, _ in kinds(film.play(3.0)) if kind != "recognized"] == []
    assert len(film.session.planogram().detections) == 2


def test_a_better_box_for_what_is_known_but_not_told_yet_is_as_old_as_that() -> None:
    """Before a moving camera events wait for depth."""
    film = Film(Scene({PLACES[3]: 1, PLACES[0]: 5}))
    film.session.shelf._moved = 1e9
    film.session._past.since = lambda first, part, box, look: first
    film.engine = Engine(film.scene, lambda crops, physical: film.scene.match([pack(5)[..., ::-1]] * len(crops)))
    narrow, whole = (20, 60, 45, 160), film.scene.detect
    film.scene.detect = lambda images: [replace(one, xyxy=sliced(one.xyxy, narrow)) for one in whole(images)]
    film.play(1.5)
    film.scene.detect = whole
    assert {event.seconds for event in film.play(4.0) if event.event.value == "appeared"} == {0.0}


def sliced(xyxy: np.ndarray, piece: tuple[int, ...]) -> np.ndarray:
    """The boxes, the one that starts where `piece` does cut to it."""
    return np.array([piece if tuple(box[:2]) == piece[:2] else box for box in xyxy], np.float32)


def test_a_weak_box_where_a_product_vanished_does_not_bring_it_back(film: Film) -> None:
    """A shadow, or an equal pack far behind, is found there now and then."""
    taken, detect, frames = PLACES[2], film.scene.detect, count()

    def with_remnant(images: list[np.ndarray]) -> list[Detections]:
        (found,) = detect(images)
        if next(frames) % 4:
            return [found]
        boxes = np.concatenate([found.xyxy, np.array([taken], np.float32)])
        return [Detections(boxes, np.append(found.scores, np.float32(0.45)))]

    del film.scene.places[taken]
    film.scene.detect = with_remnant
    assert [kind for kind, _ in kinds(film.play(3.0))] == ["disappeared"]


def test_a_sure_box_in_a_place_that_is_known_to_be_empty_brings_nothing_back(film: Film) -> None:
    taken, detect, frames = PLACES[2], film.scene.detect, count()

    def with_remnant(images: list[np.ndarray]) -> list[Detections]:
        (found,) = detect(images)
        if next(frames) < 6:
            return [found]
        boxes = np.concatenate([found.xyxy, np.array([taken], np.float32)])
        return [Detections(boxes, np.append(found.scores, np.float32(0.9)))]

    del film.scene.places[taken]
    film.scene.detect = with_remnant
    assert kinds(film.play(2.0)) == [("disappeared", "S3")]


@pytest.mark.parametrize(("to", "told"), [(165, []), (185, [("disappeared", "S7")])])
def test_a_track_that_goes_on_to_what_is_put_before_a_product_or_beside_it(
    to: int, told: list[tuple[str, str]]
) -> None:
    """What is put before it hides it, which is no news; beside it, its place is seen to be empty."""
    film = Film(Scene({PLACES[0]: 1, (140, 60, 195, 160): 7}))
    film.play(3.0)
    film.scene.places = {PLACES[0]: 1, (to, 60, to + 55, 160): 5}
    tracks = [item.track for item in film.session.shelf.present]
    film.session.tracks.update = lambda boxes, scores: np.array(tracks)
    news = film.play(4.0)
    assert sorted(kinds(news)) == sorted([*told, ("appeared", "S5"), ("recognized", "S5")])
    assert len(film.session.planogram().detections) == 2


def test_what_stood_behind_a_taken_product_is_told_as_of_before() -> None:
    behind, before = (20, 60, 60, 160), (45, 60, 100, 160)
    film = Film(Scene({PLACES[3]: 1, behind: 7, before: 5}, missed={behind}))
    film.play(3.0)
    del film.scene.places[before]
    film.scene.missed = set()
    news = film.play(4.0)
    assert kinds(news) == [("appeared", "S7"), ("recognized", "S7"), ("disappeared", "S5")]
    assert news[0].seconds == 0.0 and news[2].seconds == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize(("moved", "told"), [(False, [("appeared", "")]), (True, [])])
def test_what_has_no_name_in_an_empty_place_is_not_told_before_a_camera_that_moves(
    film: Film, moved: bool, told: list[tuple[str, str]]
) -> None:
    """Detectors find products in gaps of a back wall."""
    del film.scene.places[PLACES[2]]
    film.play(3.0)
    film.scene.places[PLACES[2]] = STRANGER
    film.play(0.5)
    film.session.shelf._moved = film.seconds if moved else -1e9
    assert kinds(film.play(4.0)) == told


def with_mistake(scene: Scene, box: tuple[int, int, int, int], at: set[int]) -> None:
    """Lets the detector find a product that is none in some frames."""
    detect, frames = scene.detect, count()

    def mistaken(images: list[np.ndarray]) -> list[Detections]:
        (found,) = detect(images)
        if next(frames) not in at:
            return [found]
        boxes = np.concatenate([found.xyxy, np.array([box], np.float32)])
        return [Detections(boxes, np.append(found.scores, np.float32(0.9)))]

    scene.detect = mistaken


def test_boxes_in_a_gap_that_do_not_come_back_were_no_product() -> None:
    film = Film(Scene({PLACES[1]: 1, PLACES[3]: 3}))
    with_mistake(film.scene, PLACES[2], set(range(5)))
    film.play(0.6)
    assert len(film.session.planogram().detections) == 3
    film.play(4.0)
    assert len(film.session.planogram().detections) == 2
    film.scene.places[PLACES[2]], brought = 2, film.seconds
    (came, _) = film.play(3.0)
    assert kinds([came]) == [("appeared", "S2")] and came.seconds == pytest.approx(brought, abs=0.5)


def test_boxes_in_a_gap_do_not_become_what_is_put_beside_them() -> None:
    film = Film(Scene({PLACES[1]: 1, PLACES[3]: 3}))
    with_mistake(film.scene, (151, 60, 196, 160), {0, 1, 2, 4, 6, 8, 9})
    film.session.shelf._moved = 1e9
    film.play(1.0)
    film.scene.places[PLACES[2]], brought = 2, film.seconds
    came = next(event for event in film.play(4.0) if event.sku == "S2")
    assert came.event.value == "appeared" and came.seconds == pytest.approx(brought, abs=0.5)


def test_boxes_around_two_flat_packs_do_not_move_either() -> None:
    upper, lower, both = (95, 60, 150, 110), (95, 110, 150, 160), (95, 60, 150, 160)
    film = Film(Scene({PLACES[3]: 1, upper: 4, lower: 5}))
    film.play(3.0)
    place = film.session.shelf.present[-1].home.copy()
    detect = film.scene.detect
    film.scene.detect = lambda images: [replace(one, xyxy=swapped(one.xyxy, lower, both)) for one in detect(images)]
    for step in range(3):
        film.scene.hand = (300 + 20 * step, 180, 340 + 20 * step, 230)  # below the shelf
        film.play(0.1)
    after = film.session.shelf.present[-1].home
    assert after == pytest.approx(place, abs=8)
    film.scene.detect, film.scene.hand = detect, None
    assert [kind for kind, _ in kinds(film.play(3.0))] == []


def swapped(xyxy: np.ndarray, box: tuple[int, ...], other: tuple[int, ...]) -> np.ndarray:
    """The boxes, one of them another one."""
    return np.array([other if tuple(one) == box else one for one in xyxy], np.float32)


def test_a_hand_that_comes_when_a_product_is_about_to_be_told_is_none_of_its_look() -> None:
    film = Film(Scene({PLACES[0]: STRANGER, PLACES[2]: 1}))
    film.play(2.0)
    assert kinds(film.events) == [("appeared", "S1"), ("recognized", "S1")]
    (found,), detect = film.scene.detect([film.scene.draw(1.9).image]), film.scene.detect
    film.scene.hand, film.scene.detect = (10, 80, 90, 240), lambda images: [found]  # its box stays
    assert film.play(0.1) == []
    film.scene.hand, film.scene.detect = None, detect
    assert kinds(film.play(2)) == [("appeared", "")]
    (item,) = [item for item in film.session.shelf.present if item.votes.answer().sku < 0]
    assert item.look.same_place(item.glance) and item.renewed is None


@pytest.mark.parametrize(("step", "abrupt"), [(1, False), (40, True)])
def test_only_a_jump_is_a_change_of_a_place_that_looks_otherwise(step: int, abrupt: bool) -> None:
    grey = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (300, 400), np.uint8), (0, 0), 8)
    grey = cv2.normalize(grey, None, 0, 255, cv2.NORM_MINMAX)
    box = np.array([60, 100, 120, 200], np.float32)
    item = Item(1, 0, box, 0.0, Look.at(grey, box), False)
    for number, x in enumerate(range(step, 41, step), 1):
        item.take_glance(Look.at(grey, box + np.array([x, 0, x, 0], np.float32)), number / 10)
    assert not item.glance.same_place(item.look)
    assert item.abrupt == abrupt
    item.drift()
    assert item.glance.same_place(item.look) and item.odd_since is None
