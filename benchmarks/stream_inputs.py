"""What the benchmarks of `stream` are measured on: a rendered film with its truth, and the packs' SKU database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.encode_inputs import make_model
from recognition.embedding.loading import load_encoder
from recognition.matching.calibration import default_calibration
from recognition.settings import EmbedSettings, Settings
from recognition.skus.build import build_database
from recognition.skus.database import SkuDatabase
from recognition.skus.source import read_source
from recognition.training.render.samples import write_catalogue
from recognition.training.render.walk import Film, WalkStyle, render_film
from recognition.training.render.walk_files import write_film
from recognition.upkeep import build_and_calibrate

STARTER = "starter"
NAME, DATABASE = "film", "sku_db"
FALSE_KNOWN = 0.02


@dataclass(frozen=True)
class FilmChoice:
    """One film. kind: `walk` or `still`. seconds: its length; a still film's shelf fills the picture. width: pixels, in
    the shape 16:9. events: packs taken, and packs brought. people: who walk past."""

    kind: str = "walk"
    seed: int = 41
    seconds: float = 10.0
    width: int = 1280
    fps: float = 25.0
    events: int = 1
    people: int = 1

    def style(self) -> WalkStyle:
        """As the renderer wants it."""
        still = self.kind == "still"
        style = WalkStyle(
            self.width, self.width * 9 // 16 // 2 * 2, self.fps, self.seconds,
            still=still, taken=self.events, restocked=self.events, people=self.people,
        )  # fmt: skip
        return replace(style, shelf_mm=(2300.0, style.shelf_mm[1])) if still else style


def make_film(folder: Path, choice: FilmChoice) -> tuple[Path, Film]:
    """Writes the film (`film.mp4`) and the catalogue of what may stand on its shelf (`catalog.csv`, `packshots/`)."""
    film = render_film(choice.seed, choice.style())
    path = write_film(film, folder, NAME)
    (folder / "packshots").mkdir(exist_ok=True)
    stock = film.panorama.stock
    write_catalogue(folder, [design for design, known in zip(stock.designs, stock.known, strict=True) if known])
    return path, film


def database_name(shape: str = STARTER) -> str:
    """Folder of the database of an encoder, in the film's."""
    return f"{DATABASE}-{shape.replace('/', '-')}"


def settings_for(folder: Path, shape: str = STARTER) -> Settings:
    """Settings that the film is recognised with. shape: `starter`, or one of encode_inputs.py's, with random weights:
    its seconds count, its answers do not."""
    if shape == STARTER:
        return Settings(embed=EmbedSettings(device="cpu")).for_stream
    model = folder / shape.replace("/", "-")
    return Settings(embed=EmbedSettings(str(model), "processor", device="cpu")).for_stream


def make_database(folder: Path, shape: str = STARTER) -> None:
    """Builds the database from the film's catalogue: as `skus build` does for `starter`, else with default thresholds,
    since measuring them embeds each reference many times."""
    settings, place = settings_for(folder, shape), folder / database_name(shape)
    catalog = read_source(folder / "catalog.csv")
    if shape == STARTER:
        _, database = build_and_calibrate(catalog, place, settings, False, FALSE_KNOWN)
        database.close()
        return
    make_model(shape, folder / shape.replace("/", "-"))
    build_database(catalog, place, load_encoder(settings.embed))
    with SkuDatabase.open(place) as database:
        database.set_calibration(default_calibration(database.count()).to_json())
