"""What an encoder learns from: products with their pictures, in groups of look-alikes; and which are held out."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recognition.errors import UsageError
from recognition.training.crops import StoredCrop

HELD_OUT_SHARE, HELD_OUT_LEAST, HELD_OUT_MOST = 0.2, 8, 200
LEAST_PRODUCTS = 24


@dataclass(frozen=True, eq=False)
class Product:
    """One product. clean: references; seen: crops of photos; one of the two may be empty. group: those of a group are
    alike: a brand, or a photo. named: it is another product than every other named one; else its facings may be
    products of their own (instance discrimination)."""

    key: str
    clean: tuple[StoredCrop, ...]
    seen: tuple[StoredCrop, ...]
    group: str
    named: bool = True

    @property
    def first(self) -> StoredCrop:
        """The picture that stands for the product."""
        return (self.clean or self.seen)[0]


@dataclass(frozen=True, eq=False)
class Source:
    """Products of one kind. share: weight of the source in a batch; at_once: products drawn from a group together."""

    name: str
    share: int
    at_once: int
    products: tuple[Product, ...]

    def groups(self) -> dict[str, list[Product]]:
        """Products by group, in order."""
        found: dict[str, list[Product]] = defaultdict(list)
        for product in self.products:
            found[product.group].append(product)
        return dict(found)


@dataclass(frozen=True, eq=False)
class Material:
    """Sources without what is held out; held_out: products of the source named `held_out_of`, never trained on."""

    sources: tuple[Source, ...]
    held_out: tuple[Product, ...]
    held_out_of: str

    @property
    def products(self) -> tuple[Product, ...]:
        """All that is trained on, in the order of the sources."""
        return tuple(product for source in self.sources for product in source.products)

    @property
    def digest(self) -> str:
        """Changes with what is trained on."""
        digest = hashlib.blake2b(digest_size=16)
        for product in (*self.products, *self.held_out):
            pictures = [(len(crop.jpeg), *crop.box.tolist()) for crop in (*product.clean, *product.seen)]
            digest.update(repr((product.key, product.group, pictures)).encode())
        return digest.hexdigest()


def hold_out(sources: Iterable[Source], seed: int) -> Material:
    """Keeps a fifth of the products of the first source that has enough, 8 to 200, group by group.

    Look-alikes are so among the distractors. Of photos, whose facings are no named products, whole photos are kept
    out of the training, unless there are too few.

    Raises:
        UsageError: there is no source, or no source has 24 products.
    """
    given = [source for source in sources if source.products]
    chosen = next((source for source in given if len(source.products) >= LEAST_PRODUCTS), None)
    if chosen is None:
        count = sum(len(source.products) for source in given)
        hint = f"wanted {LEAST_PRODUCTS} of one kind at least: give more pictures, or add --rendered 20"
        raise UsageError(f"{count} products are too few to learn from and to measure on", hint)
    wanted = min(HELD_OUT_MOST, max(HELD_OUT_LEAST, int(HELD_OUT_SHARE * len(chosen.products))))
    groups = list(chosen.groups().values())
    random.Random(f"held out/{seed}").shuffle(groups)
    named = chosen.products[0].named
    kept = _first(groups if named else groups[:-1], wanted)
    # Other facings of a crop stand in its photo.
    gone = {product.group for product in kept} if not named else set()
    if len(kept) < HELD_OUT_LEAST:
        kept, gone = _first(groups, wanted), set()
    out = {id(product) for product in kept}
    rest = tuple(p for p in chosen.products if id(p) not in out and p.group not in gone)
    trained = [Source(s.name, s.share, s.at_once, rest if s is chosen else s.products) for s in given]
    return Material(tuple(trained), tuple(kept), chosen.name)


def _first(groups: Sequence[Sequence[Product]], count: int) -> list[Product]:
    return [product for group in groups for product in group][:count]


def merge_named(references: Sequence[Product], crops: Sequence[Product]) -> tuple[Product, ...]:
    """Products of both lists, one for each key, with the pictures of both."""
    joined = {product.key: product for product in references}
    for crop in crops:
        known = joined.get(crop.key)
        both = (
            crop if known is None else Product(crop.key, known.clean + crop.clean, known.seen + crop.seen, known.group)
        )
        joined[crop.key] = both
    return tuple(joined.values())
