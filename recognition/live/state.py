"""What stands on one source's shelf now, kept up to date frame by frame; changes come out as news.

Each frame adds to the evidence that there is a product, or takes from it; so does a SKU that is named. From `_BELIEVED`
on a product is in the planogram, from `_SURE` on events tell of it: what comes and goes in the detector alone is none.
Of two boxes in one place the one that is found more often is the product. It is gone when its place, wholly in view,
has looked steady without it for `_GONE_S`. Where what is above and below looks otherwise too, this must last longer:
`_CLEAR_S` if most of the neighbours are found, else somebody stands in front, and `_PATIENCE_S` are waited. It went
when it was last seen. A product that the detector overlooks while its place looks as before is still there, whatever a
track says. To come and to go is a jump in how the place looks; a pack behind others that slides from view while the
camera walks by makes none. What stands behind a product of the front row is none of the planogram (see parallax.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recognition.detection.boxes import inside_matrix, share_matrix
from recognition.live.assign import assign, is_piece
from recognition.live.gone import came_later, in_place_of, is_back, neighbours_stand, stood_there_since
from recognition.live.items import Item, Phase
from recognition.live.neighbours import consult
from recognition.live.overlap import INSIDE, PLACE, far, overlap, shared, stacked
from recognition.live.parallax import Parallax
from recognition.live.parts import NEAR, bounded, join, within
from recognition.live.rivals import (
    HIDDEN,
    hidden,
    is_another,
    put_before,
    remnant,
    replaced,
    rivals_of,
    something_before,
    stands_behind,
)
from recognition.live.sighting import News, Sighting
from recognition.live.stacks import split
from recognition.live.tracking import UNTRACKED
from recognition.matching.surroundings import Millimetres
from recognition.outputs.live_events import EventKind
from recognition.shelves.keyframes import Joined
from recognition.shelves.places import DOUBLE
from recognition.types import NO_SKU, Matches

_BELIEVED = 2.5  # log-odds for a candidate to be a product: two sure boxes, or half a dozen unsure ones
_SURE = 8.0  # the same for events: a box that comes and goes is no event
_SETTLES_S = 2.0  # events wait so long for a name, as pieces and shadows have none, and for what parallax tells
_STOPPED_S = 0.4  # a camera that does not move for so long stands
_RESTS_S = 0.4  # a product that was moved rests in its new place after this time
_FRAME_S = 0.08  # pictures that follow each other faster say the same again
_GONE_S = 0.8
_CALM_S = 0.4  # an arm that comes and goes is hardly seen around what it covers for so long
_ODD_S = 0.2  # a place that looks otherwise is embedded anew after this time, `_CLEAR_S` before a moving camera
_CLEAR_S = 1.5
_NOBODY_S = 0.4  # the same for what has no name and was never told
_SHAKY_S = 2.0  # the same where the camera moves, however unsteady the place looks
_PATIENCE_S = 8.0
_CARRIED_S = 3.0  # a product that is carried about has left its place after this time
_FORGET_S = 1.0  # a candidate that is not seen again
_HOME_PULL = 0.25  # how far a sighting pulls a place: boxes tremble, and those that fit badly pull much less
_RESTING = 0.9  # least overlap with where a product that is carried came to rest


class Shelf:
    """The products of one source. Each frame: `observe`, embed what is `wanted`, `conclude` with the answers."""

    def __init__(self, millimetres: Millimetres) -> None:
        self._millimetres = millimetres
        self.items: list[Item] = []
        self._number = 0
        self.wanted: list[Item] = []
        self._around, self._shown = set[Item](), set[Item]()
        self._now, self._part, self._weight = 0.0, 0, 1.0
        self._moved = -1e9
        self._since: Callable[[Item, float], float] = lambda item, first: first
        self._found = self._lost = np.zeros((0, 4), np.float32)  # places in the latest frame
        self._news: list[News] = []

    @property
    def present(self) -> list[Item]:
        """Products that stand on the shelf, by number."""
        return [item for item in self.items if item.phase is Phase.PRESENT]

    @property
    def near(self) -> list[Item]:
        """Those of them that the latest frame shows, or nearly shows: a walk is as quick at its end as at its start."""
        return [item for item in self.present if item in self._around]

    @property
    def restless(self) -> bool:
        """Whether something is undecided, so that a frame is worth a look although it does not change."""
        return any(item.restless for item in self.items if item in self._around)

    def forget_tracks(self) -> None:
        """The tracker starts anew: its numbers mean nothing any more. Products stay in their places."""
        for item in self.items:
            item.track = UNTRACKED

    def observe(self, seen: Sighting) -> None:
        """Takes a frame in; `wanted` then holds the items that are to be embedded, in the order of the answers."""
        self._weight = min(max(seen.seconds - self._now, 0.0) / _FRAME_S, 1.0) if self.items else 1.0
        self._now, self._part, self._news, self._since = seen.seconds, seen.part, [], seen.since
        if seen.moving:
            self._moved = seen.seconds
        left, self._around = self._around, within(self.items, seen, NEAR)
        self._shown = within(list(self._around), seen, 0.0)
        for item in left - self._around:
            item.empty_since = item.vanished = None
        self._join(seen)
        for item in list(self.items):
            if item.phase is Phase.CANDIDATE or (item.phase is Phase.PRESENT and item in self._around):
                self._update(item, seen)
        self.wanted = [i for i in self.items if i.row >= 0 and i.wants_view(float(seen.qualities[i.row]), self._now)]
        for item in self.wanted:
            item.viewed(float(seen.qualities[item.row]), self._now)

    def join(self, joined: Joined) -> None:
        """Two parts turned out to be one: what both have seen is the product that was known first."""
        self.items = join(self.items, joined)

    def part(self, item: Item, high: int) -> None:
        """The box of an item turned out to hold a stack of so many products: see `split`."""
        if item in self.items:
            where = self.items.index(item)
            self.items[where : where + 1] = packs = split(item, high, self._number + 1)
            self._around.update(packs)
            self._number += high - 1

    def look_away(self) -> None:
        """The frame shows something else: nothing is learned from it."""
        self.wanted, self._news = [], []

    def retry(self) -> None:
        """What was wanted could not be matched: it is wanted again."""
        for item in self.wanted:
            item.fresh = True
        self.wanted = []

    def conclude(self, matches: Matches) -> list[News]:
        """What happened, with the answers to what was wanted."""
        for row, item in enumerate(self.wanted):
            item.answered(matches, row, self._now)
        self.wanted = []
        for item in [item for item in self.items if item.phase is Phase.CANDIDATE]:
            if item.votes.views and item.seen > 1 and item.belief >= _BELIEVED and item.old_enough(self._now):
                self._believe(item)
        self._drop_pieces()
        self._step_back()
        consult(self.near, self._shown, self._millimetres)
        for item in [item for item in self.present if not item.sure and item.belief >= _SURE]:
            if item.jumped == self._now:
                continue  # a hand comes before it: that is not how its place looks
            item.proven = item.proven or not item.nameless
            walks = self._now - self._moved < _STOPPED_S and self._moved >= item.first
            deep = walks and item.parallax.open
            if deep and hidden(item, self.present):
                continue
            if not (item.nameless or deep) or self._now - item.first >= _SETTLES_S:
                self._announce(item)
        for item in [item for item in self.near if item.sure]:
            self._tell(item)
        self.items = bounded(self.items, self._now, self._part)
        return self._news

    def _join(self, seen: Sighting) -> None:
        """Gives each box to its item, or to a new candidate."""
        live = [item for item in self.items if item.phase is not Phase.GONE and item in self._around]
        for item in self.items:
            item.row = -1
        free = assign(live, seen)
        self._found = stacked([item.home for item in live if item.row >= 0])
        self._lost = stacked([item.home for item in live if item.row < 0])
        known = np.concatenate([self._found, stacked([seen.boxes[item.row] for item in live if item.row >= 0])])
        for row in free:
            box = seen.boxes[row : row + 1]
            if share_matrix(box, known).max(initial=0.0) < DOUBLE and not is_piece(box, live, seen):
                self._add(row, seen)

    def _add(self, row: int, seen: Sighting) -> None:
        self._number += 1
        box = seen.boxes[row].copy()
        item = Item(self._number, seen.part, box, self._now, seen.look(box), bool(seen.cut[row]))
        item.row, item.track = row, int(seen.tracks[row])
        if not item.cut:
            item.parallax.add(seen.middle, box)
        item.found(float(seen.scores[row]), self._weight)
        self.items.append(item)
        self._around.add(item)
        self._shown.add(item)

    def _update(self, item: Item, seen: Sighting) -> None:
        if item.row >= 0 and item.first < self._now and not remnant(item, seen):
            self._seen(item, seen)
        elif item.phase is Phase.CANDIDATE:
            if seen.whole(item.home):
                item.overlooked(self._weight)
                item.take_glance(seen.look(item.home), self._now)
            if self._now - item.last > _FORGET_S:
                self.items.remove(item)
        elif item.phase is Phase.PRESENT:
            self._missed(item, seen)

    def _seen(self, item: Item, seen: Sighting) -> None:
        if item.phase is Phase.CANDIDATE and something_before(item, seen):
            self._give_way(item, seen)
            return
        box = seen.boxes[item.row]
        item.sighted = self._now
        item.box, item.last, item.seen = box.copy(), self._now, item.seen + 1
        item.found(float(seen.scores[item.row]), self._weight)
        fits = overlap(box, item.home)
        if fits < PLACE and not item.cut and not seen.cut[item.row]:
            self._carried(item, seen)
            return
        item.away_since = item.empty_since = item.vanished = None
        if not seen.cut[item.row]:
            item.parallax.add(seen.middle, box)
            pull = 1.0 if item.cut else _HOME_PULL * fits**3
            item.home = ((1 - pull) * item.home + pull * box).astype(np.float32)
            if item.cut:
                item.cut, item.anchor = False, item.home.copy()  # the rest of it comes into view: it does not move
        if seen.whole(item.home):
            self._compare(item, seen)

    def _compare(self, item: Item, seen: Sighting) -> None:
        """Does the place of a product that was seen there still look as it did?"""
        steady = item.take_glance(seen.look(item.home), self._now)
        if item.phase is Phase.CANDIDATE or not (item.sure or item.behind_hand(self._now)):
            item.look = item.glance  # first views are blurred, or cut by the border
        if item.glance.same_place(item.look):
            item.odd_since = None
            if steady >= _GONE_S and item.glance.same_around(item.before):
                item.look = item.glance  # no arm comes from below
            return
        item.odd_since = self._now if item.odd_since is None or steady == 0 else item.odd_since
        odd_s, nobody = self._now - item.odd_since, self._is_nobody(item)
        clear = _CLEAR_S if seen.moving else _ODD_S
        patience = clear if item.glance.same_around(item.look) else _PATIENCE_S
        if odd_s < (_NOBODY_S if nobody else patience):
            return
        if not item.abrupt:
            item.drift()
        elif nobody or (not seen.moving and put_before(item)):
            self._give_way(item, seen)
        else:
            item.renew()

    def _is_nobody(self, item: Item) -> bool:
        """Whether an item has no name, and nothing was told of it: a box in a gap, perhaps."""
        return item.nameless and (not item.sure or self._passed_by(item))

    def _give_way(self, item: Item, seen: Sighting) -> None:
        """What is found now is another product, and hides what was there, if that was one."""
        self._add(item.row, seen)
        self.items.remove(item)

    def _carried(self, item: Item, seen: Sighting) -> None:
        """A product that is tracked outside its place: when it rests somewhere, that is its place."""
        if item.phase is Phase.CANDIDATE:
            first = item.first if shared(item.home, item.box) >= INSIDE else self._now  # more of it is seen
            item.stand(first, seen.look(item.box))
            return
        if seen.whole(item.home):
            item.take_glance(seen.look(item.home), self._now)
        if item.away_since is None or overlap(item.box, item.rest) < _RESTING:
            item.away_since, item.rest = self._now, item.box
        if item.empty_since is None:
            item.empty_since = self._now
        rests = self._now - item.away_since >= _RESTS_S
        if rests and item.embedded_at < item.away_since:
            item.fresh = True  # it takes a view to tell whether it is still the same product
        elif rests and is_another(item, seen):
            if shared(item.box, item.home) >= HIDDEN:
                self._give_way(item, seen)
            else:
                self._add(item.row, seen)
                self._gone(item)
                item.row = -1
        elif rests:
            item.home, item.empty_since, item.away_since = item.box.copy(), None, None
            item.parallax = Parallax()
            item.take_glance(seen.look(item.home), self._now)
            item.renew()
        elif self._now - item.empty_since > _CARRIED_S:
            self._gone(item)
            item.row = -1

    def _missed(self, item: Item, seen: Sighting) -> None:
        """No box for a product: overlooked, hidden, or gone?"""
        if not seen.whole(item.home):
            item.empty_since = item.vanished = None
            return
        steady = item.take_glance(seen.look(item.home), self._now)
        merged = np.delete(inside_matrix(item.home[None], seen.boxes)[0], item.row if item.row >= 0 else [])
        if item.away_since is None and (item.glance.same_place(item.look) or (merged > INSIDE).any()):
            item.empty_since, item.vanished, item.last = None, None, self._now
            item.overlooked(self._weight)
            return
        if item.vanished is None:
            item.vanished, item.calm_since = self._now, None
        if item.empty_since is None or (steady == 0 and item.away_since is None):
            item.empty_since = self._now
        patience = _GONE_S if item.take_surroundings(self._now) >= _CALM_S else self._patience(item, seen)
        rests = self._now - item.empty_since >= patience and steady >= min(patience, _CLEAR_S)
        # Small empty places look different in each frame of a camera that moves: there the neighbours are enough.
        shaky = seen.moving and self._now - item.vanished >= _SHAKY_S and self._patience(item, seen) < _PATIENCE_S
        if rests or shaky:
            self._gone(item)

    def _patience(self, item: Item, seen: Sighting) -> float:
        """How long a place may look otherwise, its surroundings too."""
        return _CLEAR_S if neighbours_stand(item, self._found, self._lost, seen) else _PATIENCE_S

    def _gone(self, item: Item) -> None:
        """A take is a jump; what fades out under a moving camera is a pack behind others, and no event."""
        began = next((t for t in (item.vanished, item.empty_since) if t is not None), self._now)
        if item.abrupt and item.proven and not item.sure:
            self._announce(item)  # it went while it was still open how deep it stands
        item.phase, item.track, item.last = Phase.GONE, UNTRACKED, began
        item.away_since = item.empty_since = item.vanished = None
        slid = self._moved >= item.sighted and item.parallax.open and hidden(item, self.near)
        if item.sure and item.abrupt and not slid and not self._passed_by(item):
            self._news.append(News(EventKind.DISAPPEARED, item, began, item.anchor))
        else:
            self.items.remove(item)

    def _passed_by(self, item: Item) -> bool:
        """Whether a product without a name was seen by a camera that moved. What such a one finds and loses is mostly
        what comes into view and slides out of it again: packs behind others, holes of a back wall."""
        return item.nameless and self._moved >= item.first

    def _believe(self, item: Item) -> None:
        """A candidate becomes a product, unless another box in its place is found more often."""
        rivals = rivals_of(item, self.near)
        if any(rival.belief >= item.belief for rival in rivals) or stands_behind(item, self.near):
            return
        item.phase, item.anchor = Phase.PRESENT, item.home.copy()
        for rival in rivals:
            self.items.remove(rival)
            if rival.certain and not item.sure and not replaced(rival, item, self._since(item, item.first)):
                # Its box was not one product, or a piece of one: nothing happened on the shelf.
                item.first = min(item.first, rival.first)
                if rival.sure:
                    item.number, item.told, item.sure = rival.number, rival.told, True

    def _drop_pieces(self) -> None:
        """A box where another one, or nothing, is found all the time was a piece, both of two products, or none."""
        found = [item for item in self.near if item.row >= 0]
        for item in self.near:
            if item.row < 0 and (item.mistaken or (item.belief <= 0 and rivals_of(item, found))):
                self.items.remove(item)

    def _step_back(self) -> None:
        """What turns out to stand behind the front row is no product of the planogram, and no news."""
        near = self.near
        for item in near:
            if item.row >= 0 and stands_behind(item, near):
                item.phase, item.sure, item.proven, item.told = Phase.CANDIDATE, False, False, None

    def _announce(self, item: Item) -> None:
        """A product that is sure to be there is told: a new one, or one that is back in a place that was empty."""
        item.sure, item.renewed, item.anchor = True, None, item.home.copy()
        began, answer = self._since(item, item.first), item.votes.answer()
        others = [other for other in self.items if other.part == item.part]
        before = in_place_of(item, others)
        if before is not None:
            self.items.remove(before)
            began = max(began, before.last)
        else:
            began = stood_there_since(item, began, others)
        if before is None or not is_back(item, before):
            if not self._passed_by(item):
                self._news.append(News(EventKind.APPEARED, item, began, item.anchor))
            return
        item.number, item.told = before.number, answer
        self._news.append(News(EventKind.RESTOCKED, item, began, item.anchor))

    def _tell(self, item: Item) -> None:
        """Tells what is new about a product on the shelf."""
        if item.away_since is not None:
            return  # what its track goes on to may be another product
        answer = item.votes.answer()
        if far(item.home, item.anchor) and not item.cut:
            was, item.anchor = item.anchor, item.home.copy()
            self._news.append(News(EventKind.MOVED, item, self._now, item.anchor, was))
        before = item.told_sku
        if self._passed_by(item):
            item.told = item.told or answer  # what a camera that walks by does not name again has not changed
            return
        if answer.sku != before:
            if item.told is not None and before == NO_SKU and came_later(item, since := self._since(item, self._now)):
                item.renewed = since
            other = EventKind.APPEARED if before == NO_SKU else EventKind.CHANGED
            kind = EventKind.RECOGNIZED if item.renewed is None else other
            seconds = self._now if item.renewed is None else item.renewed
            self._news.append(News(kind, item, seconds, item.anchor, None if before == NO_SKU else before))
            item.renewed = None
        item.told = answer
