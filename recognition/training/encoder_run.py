"""`train encoder`: gathers products, measures the start, trains, saves what `--encoder` loads, measures again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.detection.yolo import YoloDetector
from recognition.devices import best_device
from recognition.embedding.encoder import Encoder
from recognition.embedding.loading import encoder_folder, load_encoder
from recognition.errors import EncoderError, UsageError
from recognition.outputs.files import replace_file
from recognition.settings import Settings
from recognition.telling import Say
from recognition.training.contrast import InfoNce, PairSigmoid
from recognition.training.crops import LONGEST
from recognition.training.encoder import Budget, Progress, Rows, Trainer, read_checkpoint, train
from recognition.training.encoder_net import DIM, EncoderNet, half_whitening
from recognition.training.encoder_options import MINUTES, EncoderOptions, RunFolder
from recognition.training.encoder_pairs import Pairs, find_pairs
from recognition.training.encoder_probe import Probe, distinct, make_probe
from recognition.training.encoder_shelves import read_shelves
from recognition.training.encoder_sources import (
    read_crops,
    read_database,
    read_packshots,
    read_references,
    render_packs,
)  # fmt: skip
from recognition.training.material import Material, Product, Source, hold_out, merge_named
from recognition.training.views import Batches
from recognition.weights import detector_path

LIKENESS_DIM = 128
PCA_SAMPLE = 6000
ROOM = 1.4
"""Stored crops are larger than the input by this factor, since views cut some of them away."""
JUDGED_AT_ONCE = 256
COMPARED, SAME_VECTOR = 16, 0.999
BACKGROUNDS = 64


@dataclass(frozen=True)
class TrainReport:
    """What a training did. recall_before, recall_after: recall@1 of the start and of the result on products that were
    held out of the source `held_out_of`; products, pictures: trained on; seconds: of the training itself."""

    encoder: str
    recall_before: float
    recall_after: float
    held_out: int
    held_out_of: str
    queries: int
    products: int
    pictures: int
    steps: int
    seconds: float
    options: dict[str, str | float | None]

    @property
    def better(self) -> bool:
        """Whether training has helped."""
        return self.recall_after > self.recall_before


def train_encoder(
    options: EncoderOptions, out: Path, settings: Settings, overwrite: bool, say: Say,
    progress: Callable[[Progress], None], every: int,
) -> TrainReport:  # fmt: skip
    """Trains, or goes on, in the folder `out`; the encoder stands in `out`/encoder.

    say: told what is going on before and after; progress: called each `every` steps. Device, detector and fit of the
    settings count.

    Raises:
        RecognitionError: options, sources, weights or folder cannot be used. KeyboardInterrupt: told to stop; what
        was done is kept.
    """
    options.check()
    options = replace(options, fit=settings.embed.fit)
    folder = RunFolder(out)
    path, name = _outside(out, "--from", options.start)
    if options.judge:
        _outside(out, "--judge", options.judge)
    device = torch.device(best_device(settings.embed.device))
    torch.manual_seed(options.seed)
    net = EncoderNet(path, name, options.fit, options.size, options.part)
    folder.begin(options, overwrite)
    material = hold_out(
        _gather(options, folder, settings, max(LONGEST, int(ROOM * max(net.spec.size))), say), options.seed
    )
    run = _Run(options, folder, settings, material, net.to(device), say)
    run.prepare()
    budget = Budget(options.minutes or MINUTES, options.steps)
    train(run.trainer, run.batches(), budget, run.save, progress, every)
    return run.finish()


class _Run:
    """One training between its preparation and its report."""

    trainer: Trainer
    probe: Probe

    def __init__(
        self,
        options: EncoderOptions,
        folder: RunFolder,
        settings: Settings,
        material: Material,
        net: EncoderNet,
        say: Say,
    ) -> None:
        self._options, self._folder, self._settings = options, folder, settings
        self._material, self._net, self._say = material, net, say
        self._recall_before = 0.0

    def prepare(self) -> None:
        """Looks at every product with the encoder as it is, starts the head; or goes on from the checkpoint."""
        say, net, material = self._say, self._net, self._material
        state = read_checkpoint(self._folder.checkpoint, net.device)
        products = material.products
        say(f"{len(products)} products to train on, {len(material.held_out)} held out ({material.held_out_of})")
        if state is None:
            likeness = self._start()
            pairs = find_pairs(products, likeness[: len(products)], say)
            np.savez(self._folder.pairs, same=pairs.same, family=pairs.family)
        elif state["notes"]["material"] != material.digest:
            hint = "bring the old pictures back, or begin anew with --overwrite"
            raise UsageError(f"{self._folder.path}: the pictures are others than when this run began", hint)
        else:
            likeness = np.load(self._folder.likeness)
            pairs = Pairs(**np.load(self._folder.pairs))
            if "head.weight" in state["live"]:
                weight = state["live"]["head.weight"].cpu().numpy()
                net.add_head(np.zeros_like(weight), np.zeros(weight.shape[1], np.float32))
        self._likeness, self._pairs = likeness[: len(products)], pairs
        held_out = distinct(material.held_out, likeness[len(products) :])
        backgrounds = [products[i].first for i in range(0, len(products), max(1, len(products) // BACKGROUNDS))]
        self.probe = make_probe(held_out, backgrounds, net.spec.size[0], self._options.seed)
        loss = (InfoNce() if self._options.loss == "infonce" else PairSigmoid(self._options.batch)).to(net.device)
        self.trainer = Trainer(net, loss, self._rows(), self._options.rate)
        if state is None:
            self._recall_before = self.probe.recall(self._load(self._options.start))
            say(f"recall@1 before: {self._recall_before:.3f} ({len(self.probe.queries)} queries)")
            self.save()
        else:
            self._recall_before = state["notes"]["recall_before"]
            self.trainer.restore(state)
            say(f"goes on after step {self.trainer.step_number}")

    def batches(self) -> Batches:
        """What is trained on."""
        options = self._options
        spec = self._net.training_spec
        return Batches(self._material.sources, self._pairs.partners(), options.batch, spec, options.seed)

    def save(self) -> None:
        """Writes a checkpoint."""
        notes: dict[str, float | str] = {"material": self._material.digest, "recall_before": self._recall_before}
        self.trainer.save(self._folder.checkpoint, notes)

    def finish(self) -> TrainReport:
        """Saves the encoder, loads it as a user would, holds it against the trained network, and measures it."""
        self.trainer.use_average()
        self._net.save(self._folder.encoder)
        encoder = self._load(str(self._folder.encoder.resolve()))
        sample = self.probe.queries[:COMPARED]
        own = self._net.outputs(sample, self._net.spec)
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        cosine = float((own * encoder.encode(sample)).sum(axis=1).min())
        if cosine < SAME_VECTOR:
            hint = "the network does not bear half precision: begin anew with a lower --rate"
            raise EncoderError(f"{self._folder.encoder}: vectors are not those of the training ({cosine:.4f})", hint)
        products = self._material.products
        report = TrainReport(
            str(self._folder.encoder), self._recall_before, self.probe.recall(encoder), len(self.probe.references),
            self._material.held_out_of, len(self.probe.queries), len(products),
            sum(len(p.clean) + len(p.seen) for p in products), self.trainer.step_number,
            round(self.trainer.seconds, 1), self._options.as_dict(),
        )  # fmt: skip
        replace_file(self._folder.report, json.dumps(asdict(report), indent=2).encode() + b"\n")
        return report

    def _start(self) -> NDArray[np.float32]:
        """Likeness of all products, the held-out ones last; and a head, if there is none or another is wanted."""
        net, dim = self._net, self._options.dim
        if net.head is not None and dim not in (0, net.dim):
            net.head = None
        if dim > net.features:
            raise UsageError(f"--dim {dim}", f"this encoder has {net.features} features: wanted that or fewer")
        products = (*self._material.products, *self._material.held_out)
        drawn = np.random.default_rng(self._options.seed).permutation(len(self._material.products))[:PCA_SAMPLE]
        if self._options.judge:
            outputs = self._judged(products)
        else:
            outputs = net.outputs((product.first.tight() for product in products), net.training_spec)
        rotation, mean = half_whitening(outputs[drawn], outputs.shape[1])
        likeness = (outputs - mean) @ rotation[:LIKENESS_DIM].T
        likeness /= np.linalg.norm(likeness, axis=1, keepdims=True).clip(1e-9)
        if net.head is None:
            if self._options.judge:
                own = net.outputs((products[row].first.tight() for row in drawn), net.training_spec)
                rotation, mean = half_whitening(own, own.shape[1])
            net.add_head(rotation[: dim or min(DIM, net.features)], mean)
        np.save(self._folder.likeness, likeness)
        return np.asarray(likeness, np.float32)

    def _judged(self, products: Sequence[Product]) -> NDArray[np.float32]:
        judge = self._load(self._options.judge)
        parts = [products[i : i + JUDGED_AT_ONCE] for i in range(0, len(products), JUDGED_AT_ONCE)]
        return np.concatenate([judge.encode([product.first.tight() for product in part]) for part in parts])

    def _rows(self) -> Rows:
        products = self._material.products
        numbers = {group: number for number, group in enumerate(dict.fromkeys(p.group for p in products))}
        device = self._net.device
        return Rows(
            torch.from_numpy(self._pairs.family).to(device),
            torch.tensor([numbers[product.group] for product in products], device=device),
            torch.tensor([product.named for product in products], device=device),
            torch.from_numpy(self._likeness).to(device),
        )

    def _load(self, name: str) -> Encoder:
        return load_encoder(replace(self._settings.embed, encoder=name))


def _outside(out: Path, option: str, encoder: str) -> tuple[Path, str]:
    """An encoder's folder and name. A run that is begun anew in `out` removes what is in there."""
    path, name = encoder_folder(encoder)
    if path.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{option} {path} lies in the folder of the new run", "give another --out")
    return path, name


def _gather(options: EncoderOptions, folder: RunFolder, settings: Settings, longest: int, say: Say) -> list[Source]:
    """The sources that the options name, those whose held-out products say most about the user's shop first."""
    seed, sources = options.seed, []
    references: tuple[Product, ...] = ()
    crops: tuple[Product, ...] = ()
    if options.catalog is not None:
        references = read_references(options.catalog, options.images, longest, seed, say)
    elif options.db is not None:
        references = read_database(options.db, longest, seed, say)
    if options.crops is not None:
        crops = read_crops(options.crops, longest, seed, say)
    sources.append(Source("products", 44, 4, merge_named(references, crops)))
    if options.photos is not None:
        shelves = read_shelves(options.photos, folder.boxes, lambda: _detector(settings), longest, seed, say)
        sources.append(Source("photos", 44, 4, shelves))
    if options.rendered:
        sources.append(Source("rendered", 20, 7, render_packs(folder.packs, options.rendered, longest, seed)))
    if options.packshots is not None:
        sources.append(Source("packshots", 4, 1, read_packshots(options.packshots, longest, say)))
    return sources


def _detector(settings: Settings) -> YoloDetector:
    return YoloDetector(detector_path(settings.detect.detector), settings.detect)
