"""Products that are taken from a shelf that looks otherwise around them too."""

from __future__ import annotations

import pytest
from live.live_scene import PLACES, Film, Scene, kinds


def test_a_take_is_told_although_an_arm_comes_from_below_first() -> None:
    """How the place looked is not remembered with the arm under it."""
    film = Film(Scene({PLACES[0]: 1, PLACES[1]: 2}))
    film.play(4.0)
    for top in (185, 60):
        film.scene.hand = (95, top, 150, 240)
        film.play(0.1 if top > 160 else 0.4)
    film.scene.hand, film.scene.places, taken = None, {PLACES[0]: 1}, film.seconds
    (gone,) = film.play(3.0)
    assert kinds([gone]) == [("disappeared", "S2")]
    assert gone.seconds == pytest.approx(taken, abs=0.5)


def test_an_arm_that_is_not_seen_around_what_it_covers_takes_nothing() -> None:
    film = Film(Scene({PLACES[0]: 1, PLACES[1]: 2}))
    film.play(4.0)
    for top, seconds in ((20, 0.7), (55, 0.3)):
        film.scene.hand = (95, top, 150, 160)
        film.play(seconds)
    film.scene.hand = None
    assert film.play(3.0) == []


def test_neighbours_that_the_camera_leaves_are_not_missed() -> None:
    """Something stays below the empty place, so its neighbours must tell that nobody stands before it."""
    right = {(160, 60, 185, 160): 3, (190, 60, 215, 160): 4, PLACES[3]: 5, PLACES[4]: 6, PLACES[5]: 7}
    film = Film(Scene({PLACES[0]: 1, PLACES[1]: 2, **right}))
    film.play(3.0)
    for pan in range(8, 72, 8):
        film.scene.pan = pan
        film.play(0.1)
    film.play(2.0)
    film.scene.hand = (26, 50, 91, 240)
    film.play(0.3)
    film.scene.hand, taken = (26, 165, 91, 240), film.seconds
    del film.scene.places[PLACES[1]]
    (gone,) = film.play(4.0)
    assert kinds([gone]) == [("disappeared", "S2")]
    assert gone.seconds == pytest.approx(taken, abs=0.5)
