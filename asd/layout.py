"""Every path of a workspace by name. No other file spells one.

A workspace is a folder with `params.yaml` and `dvc.yaml`; all paths here hang below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cell:
    """One combination of data set, attack, defense and trial (names of variants)."""

    dataset: str
    attack: str
    defense: str
    trial: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.attack}/{self.defense}/{self.trial}"


@dataclass(frozen=True)
class Layout:
    """Paths of one workspace."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def pipeline_lock(self) -> Path:
        """What DVC knows of the last run of each stage (`dvc.lock`)."""
        return self.root / "dvc.lock"

    @property
    def code_lock(self) -> Path:
        """Hashes of the code that each step and variant runs (`asd.lock`, in git)."""
        return self.root / "asd.lock"

    def source(self, dataset: str) -> Path:
        """Pointer (in git) to a data set's origin: content hash only."""
        return self.root / "sources" / f"{dataset}.json"

    def source_files(self, dataset: str) -> Path:
        """List (in git) of the files that a data set takes from a larger folder, each with its hash."""
        return self.root / "sources" / f"{dataset}.files.csv"

    @property
    def seeds_by_people(self) -> Path:
        """Small files (in git) in which people name trusted samples."""
        return self.root / "seeds"

    @property
    def trusted_seeds(self) -> Path:
        """Pictures of the training data that people vouch for, from `asd seeds add`."""
        return self.seeds_by_people / "trusted.csv"

    @property
    def reviews(self) -> Path:
        """What reviewers said of samples and runs (in git)."""
        return self.root / "reviews"

    @property
    def review_log(self) -> Path:
        """One line a review, each with the hash of the line before."""
        return self.reviews / "log.jsonl"

    @property
    def exclusions(self) -> Path:
        """Training images that reviewers confirmed as poisoned: left out by `fetch`."""
        return self.reviews / "exclusions.csv"

    # -- data drops ---------------------------------------------------------------------
    @property
    def inbox(self) -> Path:
        """Where drops arrive unless `service.inbox` says otherwise (ignored by git)."""
        return self.root / "inbox"

    @property
    def drop_records(self) -> Path:
        """What became of each drop, one small file each (in git)."""
        return self.root / "drops"

    def drop_record(self, number: int) -> Path:
        return self.drop_records / f"{number:04d}.json"

    @property
    def drops(self) -> Path:
        """The drops' own shards and quarantine tables, a folder each (DVC)."""
        return self.data / "drops"

    def drop(self, number: int) -> Path:
        return self.drops / f"{number:04d}"

    def quarantine(self, number: int) -> Path:
        """Bytes of refused files by hash: hostile, of this machine only (ignored by git and DVC)."""
        return self.local / "quarantine" / f"{number:04d}"

    def drop_labels(self, source: str) -> Path:
        """What a source calls our classes: the label file that the service gives to the gate (in git)."""
        return self.drop_records / "labels" / f"{source}.csv"

    @property
    def staging(self) -> Path:
        """Drops that were downloaded from an object store (ignored by git; may be deleted)."""
        return self.local / "staging"

    @property
    def inbox_journal(self) -> Path:
        """What the watcher of the inbox has seen and started."""
        return self.local / "inbox.json"

    @property
    def service_lock(self) -> Path:
        """Held by the `asd serve` of this workspace."""
        return self.local / "serve.lock"

    @property
    def service_facts(self) -> Path:
        """Addresses of the running service."""
        return self.local / "serve.json"

    @property
    def drop_index(self) -> Path:
        """Contents seen in earlier drops and the test set (derived; may be deleted)."""
        return self.root / ".cache" / "drops.sqlite"

    @property
    def rehearsal(self) -> Path:
        """A workspace of its own for rehearsals (ignored by git)."""
        return self.root / ".rehearsal"

    @property
    def rehearsals(self) -> Path:
        """Results of rehearsals, one a line (in git)."""
        return self.reviews / "rehearsals.jsonl"

    @property
    def seed_rejects(self) -> Path:
        """Pictures that people looked at and would not vouch for. Not below seeds/: no step depends on it."""
        return self.reviews / "seed_rejects.jsonl"

    def decisions(self, cell: Cell) -> Path:
        """Signed decisions on a cell, one a line."""
        return self.reviews / "decisions" / cell.dataset / cell.attack / cell.defense / f"{cell.trial}.jsonl"

    def seed_sheets(self, dataset: str) -> Path:
        """Pictures to pick seeds from (derived, ignored by git); no step depends on them."""
        return self.root / "sheets" / dataset

    @property
    def local(self) -> Path:
        """State of this machine only (ignored by git): locations, locks, Prefect's home."""
        return self.root / ".asd"

    @property
    def locations(self) -> Path:
        """Where this machine finds each source."""
        return self.local / "sources.yaml"

    @property
    def run_lock(self) -> Path:
        return self.local / "run.lock"

    @property
    def run_record(self) -> Path:
        """What the last runs planned and how far they came."""
        return self.local / "record.json"

    @property
    def audit_tokens(self) -> Path:
        """Salted hashes of the reviewers' tokens for the web page (mode 0600)."""
        return self.local / "audit-tokens.json"

    @property
    def revision_journal(self) -> Path:
        """Which states of each cell this machine has seen, one a line."""
        return self.local / "revisions.jsonl"

    def step_lock(self, name: str) -> Path:
        return self.local / "locks" / f"{name}.lock"

    @property
    def pixel_cache(self) -> Path:
        """Decoded pixels, named by content (derived; may be deleted at any time)."""
        return self.root / ".cache" / "pixels"

    @property
    def downloads(self) -> Path:
        return self.root / ".cache" / "downloads"

    @property
    def scratch(self) -> Path:
        """Checkpoints in mid-stage, by fingerprint."""
        return self.root / ".scratch"

    @property
    def plugins(self) -> Path:
        """A workspace's own plug-ins, one folder per kind."""
        return self.root / "plugins"

    # -- models that may leave the house (ignored by git, no output of DVC) -----------------
    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def current_model(self) -> Path:
        """A link to the export of `model_history` that is to be served."""
        return self.models / "current"

    @property
    def model_history(self) -> Path:
        """One numbered export per promotion."""
        return self.models / "history"

    # -- data, all tracked by DVC -------------------------------------------------------
    @property
    def data(self) -> Path:
        return self.root / "data"

    def fetched(self, dataset: str, split: str) -> Path:
        return self.data / "fetched" / dataset / split

    def prepared(self, dataset: str, attack: str) -> Path:
        return self.data / "prepared" / dataset / attack

    def poisoned(self, dataset: str, attack: str, part: str) -> Path:
        """`train` (overlay), `test` (triggered test images) or `probe` (unlabelled mixture)."""
        return self.data / "poisoned" / dataset / attack / part

    def truth(self, dataset: str, attack: str) -> Path:
        """What we planted; only poison writes it, only evaluate, audit and oracle seeds read it."""
        return self.data / "truth" / dataset / f"{attack}.parquet"

    def probe_truth(self, dataset: str, attack: str) -> Path:
        """Which test image each opaque probe key stands for, and whether it is triggered."""
        return self.data / "truth" / dataset / f"{attack}.probe.parquet"

    def seed_set(self, dataset: str, attack: str, trial: int) -> Path:
        return self.data / "seeds" / dataset / attack / str(trial)

    def run(self, cell: Cell) -> Path:
        return self.data / "runs" / cell.dataset / cell.attack / cell.defense / str(cell.trial)

    def stage(self, cell: Cell, stage: int) -> Path:
        return self.run(cell) / f"stage{stage}"

    def timing(self, cell: Cell, stage: int) -> Path:
        """Seconds and peak memory of a stage; no step depends on it."""
        return self.run(cell) / "timing" / f"stage{stage}.json"

    def metrics(self, cell: Cell) -> Path:
        return self.run(cell) / "evaluation" / "metrics.json"

    def curves(self, cell: Cell) -> Path:
        """Accuracy and attack success per epoch, from the probe predictions."""
        return self.run(cell) / "evaluation" / "curves.parquet"

    def audit_samples(self, cell: Cell) -> Path:
        return self.run(cell) / "audit" / "samples.parquet"

    def audit_neighbours(self, cell: Cell) -> Path:
        return self.run(cell) / "audit" / "neighbours.parquet"

    def audit_pools(self, cell: Cell) -> Path:
        return self.run(cell) / "audit" / "pools.json"

    def audit_report(self, cell: Cell) -> Path:
        return self.run(cell) / "audit" / "report.html"

    def audit_report_facts(self, cell: Cell) -> Path:
        """The facts of `report.html` for programs."""
        return self.run(cell) / "audit" / "report.json"
