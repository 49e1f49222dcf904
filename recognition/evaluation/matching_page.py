"""The page of `evaluate matching`: wrong answers, the surest first, beside the references they were held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recognition.evaluation.asking import Asked, read_crop
from recognition.evaluation.matching import MatchingReport, open_set_curves
from recognition.evaluation.page import Case, Page, Picture
from recognition.evaluation.unknowns import stack_draws
from recognition.skus.packshot import trim_border

MOST_WRONG, MOST_NAMED = 28, 12
"""Wrong answers, and unknown products that were given a name: 40 cases together."""


def matching_page(data: Path, report: MatchingReport, asked: Asked) -> Page:
    """The figures, the open-set curves and the worst cases."""
    cases = [*_wrong_answers(asked), *_named_strangers(asked)]
    title = f"Matching on {data.name}: {' '.join(filter(None, (report.method, report.encoder)))}"
    notes = ["Shown are the wrong answers of the whole catalogue, then unknown products that came nearest to a name."]
    return Page(title, report.as_dict(), cases, open_set_curves(asked), notes=notes)


def _wrong_answers(asked: Asked) -> list[Case]:
    wrong = np.flatnonzero(asked.whole.best != asked.ranks.own)
    order = wrong[np.argsort(-asked.whole.known[wrong], kind="stable")][:MOST_WRONG]
    return [_wrong(asked, int(i)) for i in order]


def _wrong(asked: Asked, i: int) -> Case:
    place = int(np.flatnonzero(asked.nearest.skus[i] == asked.whole.best[i])[0])
    pictures = [_query(asked, i), _reference(asked, i, place, "answer", "wrong")]
    own, column = asked.queries[i].sku, int(asked.ranks.column[i])
    if column < 0:
        return Case(f"{own}: not in the catalogue", _sure(asked, float(asked.whole.known[i])), pictures)
    there = np.flatnonzero(asked.nearest.rows[i] == column)
    if len(there):
        pictures.append(_reference(asked, i, int(there[0]), "right", "right"))
    else:
        words = f"right: {own}, score {asked.ranks.score[i]:.3f}, rank {asked.ranks.rank[i] + 1}"
        pictures.append(Picture(trim_border(read_crop(asked.references[column])), words, "right"))
    return Case(
        f"{own}, taken for {asked.skus.names[asked.whole.best[i]]}", _sure(asked, asked.whole.known[i]), pictures
    )


def _named_strangers(asked: Asked) -> list[Case]:
    """Of each query the draw in which it came nearest to a name while its own SKU was left out."""
    draws = stack_draws(asked.draws, asked.out, asked.ranks.own)
    odds = np.where(draws.known, -np.inf, draws.named)
    draw = odds.argmax(axis=0)
    worst = odds.max(axis=0)
    cases = []
    for i in np.argsort(-worst, kind="stable")[:MOST_NAMED].tolist():
        if not np.isfinite(worst[i]):
            break
        taken = int(asked.draws[draw[i]].best[i])
        columns = np.flatnonzero(asked.skus.of == taken)
        picture = Picture(
            trim_border(read_crop(asked.references[columns[0]])), f"answer: {asked.skus.names[taken]}", "wrong"
        )
        title = f"{asked.queries[i].sku}, left out, taken for {asked.skus.names[taken]}"
        cases.append(Case(title, _sure(asked, float(worst[i])), [_query(asked, i), picture]))
    return cases


def _query(asked: Asked, i: int) -> Picture:
    query = asked.queries[i]
    return Picture(read_crop(query), f"query: {query.sku}, {query.path.name}")


def _reference(asked: Asked, i: int, place: int, role: str, tone: str) -> Picture:
    """The candidate at a place of the nearest ten, with what was found of it."""
    column = int(asked.nearest.rows[i, place])
    words = f"{role}: {asked.references[column].sku}, score {asked.nearest.scores[i, place]:.3f}, rank {place + 1}"
    if asked.evidence is not None and place < asked.evidence.inliers.shape[1]:
        inliers, likeness = asked.evidence.inliers[i, place], asked.evidence.likeness[i, place]
        words += f", {inliers:.0f} keypoints agree, likeness {likeness:.2f}"
    return Picture(trim_border(read_crop(asked.references[column])), words, tone)


def _sure(asked: Asked, known: float) -> str:
    judge = asked.method.judge
    if judge is None:
        return f"score {known:.3f}"
    accept = judge.calibration.verified.accept
    verdict = "known" if known >= accept else "unknown"
    return f"called {verdict}: log-odds {known:.2f} of being in the catalogue, {accept:.2f} are needed"
