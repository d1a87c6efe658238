"""Candidates for seeds, class by class, as the sheets number them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from asd.audit.web.site import NotFoundError, Site
from asd.seeds.candidates import numbered
from asd.seeds.rejecting import read_rejects
from asd.seeds.standing import seeds_needed
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import read_index, read_manifest
from asd.types import SampleIndex


@dataclass(frozen=True)
class Pool:
    """A data set's training data and the order in which people look at it.

    Attributes:
        dataset: the data set's variant.
        class_names: its K names.
        index: its N samples.
        rows: per class the rows of its candidates; number n is the n-th, counted from 1.
    """

    dataset: str
    class_names: tuple[str, ...]
    index: SampleIndex
    rows: list[list[int]]


@dataclass(frozen=True)
class Candidate:
    """One picture to decide on; `decision` is `accepted`, `rejected` or ""."""

    number: int
    row: int
    key: str
    content: str
    source: str
    decision: str
    by: str
    right_class: str


class Candidates:
    """Keeps the numbering of each data set; it is made anew when the data changes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._pools: dict[str, tuple[str, Pool]] = {}

    def datasets(self) -> list[str]:
        """Listed data sets."""
        return list(self._site.workspace().params.cells.datasets)

    def pool(self, dataset: str) -> Pool:
        """The candidates of a data set.

        Raises:
            NotFoundError: params.yaml lists no such data set, or it is not fetched yet.
            DataError: the data is damaged.
        """
        if dataset not in self.datasets():
            raise NotFoundError(f"params.yaml lists no data set {dataset}.")
        folder = self._site.layout.fetched(dataset, "train")
        if not folder.is_dir():
            raise NotFoundError(f"Data set {dataset} is not fetched yet: `asd seeds sheet` fetches it.")
        manifest = read_manifest(folder)
        with self._lock:
            known = self._pools.get(dataset)
            if known is None or known[0] != manifest.sha256:
                index = read_index(folder)
                rows = numbered(index, manifest.class_names)
                known = (manifest.sha256, Pool(dataset, manifest.class_names, index, rows))
                self._pools[dataset] = known
            return known[1]

    def of_class(self, pool: Pool, label: int) -> list[Candidate]:
        """All candidates of a class with what was said of them."""
        accepted, rejected = self._said(pool)
        found = []
        for number, row in enumerate(pool.rows[label], start=1):
            content = pool.index.content[row]
            decision, by, right = "", accepted.get(content, ""), ""
            if by:
                decision = "accepted"
            elif content in rejected:
                decision, (by, right) = "rejected", rejected[content]
            key, source = pool.index.keys[row], pool.index.sources[row]
            found.append(Candidate(number, row, key, content, source, decision, by, right))
        return found

    def progress(self, pool: Pool) -> list[dict[str, object]]:
        """Per class: its name, seeds it has, seeds it needs, pictures rejected, candidates."""
        dataset, layout = pool.dataset, self._site.layout
        have = [row.label for row in read_trusted(layout.trusted_seeds) if row.dataset == dataset]
        out = [row.label for row in read_rejects(layout.seed_rejects) if row.dataset == dataset]
        need = seeds_needed(self._site.workspace())
        return [
            {
                "label": label,
                "name": name,
                "have": have.count(name),
                "need": need,
                "rejected": out.count(name),
                "candidates": len(pool.rows[label]),
            }
            for label, name in enumerate(pool.class_names)
        ]

    def _said(self, pool: Pool) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
        layout, dataset = self._site.layout, pool.dataset
        accepted = {
            r.content_sha256: r.by for r in read_trusted(layout.trusted_seeds) if r.dataset == dataset
        }
        rejected = {
            r.content_sha256: (r.by, r.right_class)
            for r in read_rejects(layout.seed_rejects)
            if r.dataset == dataset
        }
        return accepted, rejected


def label_of(text: str | None, pool: Pool) -> int:
    """The class that a page is about; the first one where none is named.

    Raises:
        NotFoundError: there is none of that number.
    """
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) >= len(pool.class_names):
        raise NotFoundError("There is no class of that number.")
    return int(text)
