"""Invented brands: names, colours, lines, flavours, sizes, and the physical packs that come of them.

Inside a brand the packs are alike on purpose: a flavour changes a colour, an illustration and one word; a size
changes the proportions and the printed amount.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from recognition.training.render.assortment import GROWTH, LINES, SIZES_MM, Colour, Flavour
from recognition.training.render.lettering import TextStyle, random_style

SAMPLE_SEED = 20261134
RESERVED_SEEDS = frozenset({SAMPLE_SEED, SAMPLE_SEED + 1})
"""Seeds of the packs in samples/: the catalogue's, and those in no catalogue. Training refuses them, and their names
end in syllables that no other world uses."""

_STARTS = (
    "Al Bel Cor Dan El Fen Gal Hav Il Jon Kel Lum Mar Nor Ol Pel Quin Ros Sil Tav Ul Ver Wel Xan Yor Zel Bri Cla Dro "
    "Fro Gri Kro Pla Sta Tri Vla"
)
_MIDDLES = "a,e,i,o,u,ana,eli,ori,una,ami,ede,ola,isi,aro,eno,ita,"
_ENDS = "bo ca do fa ga ka lin mo na po ra sol ta vi za nell ber dan gos mar nik pa rin son tex vel wick"
_SAMPLE_ENDS = "quo xia zwen yotte phil grund fjell brook mont wald"


@dataclass(frozen=True)
class Brand:
    """What all packs of a brand share. colours: main, second, accent."""

    name: str
    colours: tuple[Colour, Colour, Colour]
    style: TextStyle
    emblem: int
    outline: bool


@dataclass(frozen=True)
class PackDesign:
    """One SKU: what it is, how large it is, and everything `packs.draw_pack` needs to draw it.

    gtin: 13 digits, check digit right. line_seed: decides the layout, shared by the flavours and sizes of a line.
    width_mm, height_mm, depth_mm: outer size. rank: place of its size in the line, 0 = smallest.
    """

    sku: str
    gtin: str
    name: str
    brand: Brand
    category: str
    noun: str
    flavour: Flavour
    amount: str
    rank: int
    kind: str
    line_seed: int
    width_mm: float
    height_mm: float
    depth_mm: float


def gtin13(number: int) -> str:
    """A GTIN-13 from the range kept for internal use (prefix 2), its check digit put last."""
    digits = f"2{number % 10**11:011d}"
    total = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits))
    return digits + str(-total % 10)


def make_brand_world(seed: int, brands: int, skus_per_brand: int) -> list[PackDesign]:
    """`brands` invented brands with `skus_per_brand` packs each; the same seed gives the same packs."""
    rng = np.random.default_rng([seed, 1])
    ends = _SAMPLE_ENDS if seed in RESERVED_SEEDS else _ENDS
    designs: list[PackDesign] = []
    kinds = [int(i) for i in rng.permutation(len(LINES))]
    for number in range(brands):
        brand = _make_brand(rng, ends)
        first = len(designs)
        while len(designs) - first < skus_per_brand:
            if not kinds:
                kinds = [int(i) for i in rng.permutation(len(LINES))]
            wanted = skus_per_brand - (len(designs) - first)
            designs += _make_line(rng, brand, kinds.pop(), f"{seed}-{number:02d}", len(designs) - first, wanted)
    return designs


def _make_brand(rng: np.random.Generator, ends: str) -> Brand:
    parts = (_STARTS.split(), _MIDDLES.split(","), ends.split())
    name = "".join(str(rng.choice(part)) for part in parts)
    hue = float(rng.choice([0.0, 0.02, 0.08, 0.13, 0.3, 0.38, 0.5, 0.58, 0.62, 0.66, 0.76, 0.9])) + rng.normal(0, 0.015)
    main = _colour(hue, rng.uniform(0.55, 1), rng.uniform(0.35, 0.92))
    second = _colour(hue + float(rng.choice([0.08, 0.33, 0.5, 0.58])), rng.uniform(0.3, 0.95), rng.uniform(0.5, 0.98))
    paper: Colour = (248, 247, 243)
    scheme = rng.random()
    if scheme < 0.25:
        main, second = paper, main
    elif scheme < 0.45:
        second = paper
    elif scheme < 0.55:
        second = _colour(hue, 0.35, 0.97)
    elif scheme < 0.65:
        main = (30, 30, 34)
    accent = _colour(rng.random(), rng.uniform(0.7, 1), rng.uniform(0.7, 1))
    return Brand(name, (main, second, accent), random_style(rng), int(rng.integers(8)), bool(rng.random() < 0.4))


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _make_line(
    rng: np.random.Generator, brand: Brand, line: int, prefix: str, start: int, wanted: int
) -> list[PackDesign]:
    """Up to `wanted` packs: two to five flavours, the first of them in two or three sizes."""
    category, noun, kinds, amounts, flavours = LINES[line]
    kind = str(rng.choice(kinds))
    seed = int(rng.integers(2**31))
    width, height, depth = (v * s for v, s in zip(SIZES_MM[kind], rng.uniform(0.85, 1.15, 3), strict=True))
    if kind not in ("carton", "slab", "flow", "pouch", "tube", "shampoo"):
        depth = width  # round or square packs
    chosen = [flavours[i] for i in rng.permutation(len(flavours))[: rng.integers(2, 6)]]
    base = int(rng.integers(2))
    variants = [(f, base) for f in chosen] + [(chosen[0], 2)] + ([(chosen[1], 2)] if rng.random() < 0.5 else [])
    wide, high = GROWTH.get(kind, (1.06, 1.26))
    packs: list[PackDesign] = []
    for flavour, rank in variants[:wanted]:
        number = start + len(packs)
        packs.append(
            PackDesign(
                sku=f"{prefix}-{number:02d}",
                gtin=gtin13(seed * 97 + number),
                name=f"{brand.name} {noun} {flavour.name} {amounts[rank]}",
                brand=brand,
                category=category,
                noun=noun,
                flavour=flavour,
                amount=amounts[rank],
                rank=rank,
                kind=kind,
                line_seed=seed,
                width_mm=round(width * wide ** (rank - 1), 1),
                height_mm=round(height * high ** (rank - 1), 1),
                depth_mm=round(depth * wide ** (rank - 1), 1),
            )
        )
    return packs
