"""The assortment packs are invented from: kinds of goods, the packs and amounts they come in, and their flavours."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[int, int, int]
"""RGB, 0..255."""


@dataclass(frozen=True)
class Flavour:
    """A variant of a line: its word, its colour and what is drawn on the pack (`art.MOTIFS`)."""

    name: str
    colour: Colour
    motif: str


_FRUIT = (
    Flavour("Strawberry", (208, 32, 56), "berry"), Flavour("Lemon", (245, 214, 48), "citrus"),
    Flavour("Orange", (244, 134, 24), "citrus"), Flavour("Apple", (120, 178, 48), "apple"),
    Flavour("Blueberry", (64, 68, 150), "berries"), Flavour("Cherry", (150, 16, 44), "berries"),
    Flavour("Mango", (250, 170, 40), "drop"), Flavour("Peach", (248, 164, 120), "apple"),
    Flavour("Lime", (150, 200, 40), "citrus"), Flavour("Grape", (110, 52, 130), "berries"),
)  # fmt: skip
_SWEET = (
    Flavour("Chocolate", (92, 52, 30), "chunk"), Flavour("Vanilla", (246, 228, 170), "flower"),
    Flavour("Hazelnut", (170, 112, 58), "nut"), Flavour("Caramel", (208, 138, 52), "swirl"),
    Flavour("Coconut", (236, 240, 244), "swirl"), Flavour("Mint", (60, 178, 150), "leaf"),
    Flavour("Honey", (240, 178, 40), "drop"), Flavour("Raspberry", (200, 30, 90), "berries"),
)  # fmt: skip
_HERB = (
    Flavour("Aloe", (90, 170, 90), "leaf"), Flavour("Lavender", (150, 120, 200), "flower"),
    Flavour("Ocean", (30, 120, 190), "wave"), Flavour("Rose", (226, 110, 150), "flower"),
    Flavour("Sensitive", (220, 232, 240), "drop"), Flavour("Fresh", (60, 190, 200), "bubbles"),
    Flavour("Citrus", (244, 190, 40), "citrus"), Flavour("Charcoal", (60, 62, 68), "swirl"),
)  # fmt: skip
_SAVOURY = (
    Flavour("Paprika", (206, 60, 30), "chunk"), Flavour("Classic", (214, 160, 60), "grain"),
    Flavour("Sea Salt", (60, 120, 190), "wave"), Flavour("Tomato", (200, 36, 28), "apple"),
    Flavour("Basil", (70, 140, 60), "leaf"), Flavour("Cheese", (246, 190, 50), "chunk"),
    Flavour("Pepper", (56, 56, 60), "grain"), Flavour("Onion", (130, 150, 90), "sun"),
)  # fmt: skip
_BEAN = (
    Flavour("Espresso", (60, 34, 24), "nut"), Flavour("Mild", (190, 140, 90), "nut"),
    Flavour("Gold", (200, 160, 60), "sun"), Flavour("Decaf", (60, 110, 160), "nut"),
    Flavour("Intense", (140, 24, 30), "sun"), Flavour("Green Tea", (120, 160, 70), "leaf"),
)  # fmt: skip

LINES: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[Flavour, ...]], ...] = (
    ("drinks", "Juice", ("tetra", "bottle"), ("330 ml", "1 L", "2 L"), _FRUIT),
    ("drinks", "Soda", ("bottle", "can"), ("330 ml", "500 ml", "1.5 L"), _FRUIT),
    ("drinks", "Energy", ("can",), ("250 ml", "355 ml", "500 ml"), _FRUIT),
    ("dairy", "Yoghurt", ("tub", "bottle"), ("150 g", "400 g", "1 kg"), _FRUIT),
    ("dairy", "Drink", ("jug", "tetra"), ("500 ml", "1 L", "2 L"), _SWEET),
    ("spreads", "Jam", ("jar",), ("220 g", "340 g", "450 g"), _FRUIT),
    ("spreads", "Cream", ("jar", "tub"), ("200 g", "400 g", "750 g"), _SWEET),
    ("biscuits", "Cookies", ("flow", "carton"), ("150 g", "300 g", "500 g"), _SWEET),
    ("cereals", "Muesli", ("carton", "pouch"), ("375 g", "500 g", "750 g"), _SWEET),
    ("sweets", "Chocolate", ("flow", "slab"), ("100 g", "200 g", "300 g"), _SWEET),
    ("snacks", "Chips", ("pouch", "canister"), ("90 g", "175 g", "300 g"), _SAVOURY),
    ("pasta", "Sauce", ("jar", "pouch"), ("250 g", "400 g", "680 g"), _SAVOURY),
    ("tins", "Soup", ("tin", "carton"), ("200 g", "400 g", "800 g"), _SAVOURY),
    ("coffee", "Coffee", ("pouch", "jar", "carton"), ("100 g", "250 g", "500 g"), _BEAN),
    ("tea", "Tea", ("slab", "carton"), ("20 bags", "40 bags", "80 bags"), _BEAN),
    ("hair care", "Shampoo", ("shampoo",), ("200 ml", "300 ml", "500 ml"), _HERB),
    ("body care", "Shower", ("shampoo", "tube"), ("200 ml", "250 ml", "400 ml"), _HERB),
    ("oral care", "Toothpaste", ("slab", "tube"), ("50 ml", "75 ml", "100 ml"), _HERB),
    ("household", "Detergent", ("jug", "carton"), ("750 ml", "1.5 L", "3 L"), _HERB),
    ("household", "Cleaner", ("shampoo", "bottle"), ("500 ml", "750 ml", "1 L"), _HERB),
    ("paper", "Wipes", ("flow", "slab"), ("20 pcs", "40 pcs", "72 pcs"), _HERB),
)
"""Category, noun, kinds of pack it may come in, amounts from small to large, flavours."""

SIZES_MM: dict[str, tuple[float, float, float]] = {
    "bottle": (68, 230, 68), "jug": (105, 250, 85), "jar": (76, 110, 76), "can": (58, 135, 58), "tin": (76, 108, 76),
    "carton": (125, 190, 55), "slab": (165, 75, 50), "flow": (175, 90, 50), "pouch": (135, 190, 60),
    "tube": (55, 160, 40), "tetra": (72, 200, 70), "tub": (90, 85, 90), "canister": (76, 220, 76),
    "shampoo": (72, 195, 45),
}  # fmt: skip
"""Usual width, height and depth of each kind of pack."""

GROWTH: dict[str, tuple[float, float]] = {"slab": (1.34, 1.05), "flow": (1.32, 1.05), "tub": (1.1, 1.38)}
"""Growth of width and height from one size to the next; others grow (1.06, 1.26), in height above all."""

KINDS = tuple(SIZES_MM)
