"""Examples as arrays: class indices with gaps masked, held-out halves, length-bucketed batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import Label, Taxonomy
from tamiz.lab.data.example import Example

MASKED = -1
"""The class index of a field that an example has no label for; it adds nothing to the loss."""

_BUCKETS = 8

_FEW = 8
"""Rows of every class that a sample holds at least, where there are so many."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Targets:
    """`fields[name]` holds one class index per example ([N], MASKED where unlabelled); `abstain` is 1.0 where a
    person must decide ([N])."""

    fields: dict[str, Ints]
    abstain: NDArray[np.float32]

    def labelled(self, name: str) -> Ints:
        """The row numbers that have a label of this field."""
        return np.flatnonzero(self.fields[name] != MASKED)

    def only(self, rows: Ints) -> Targets:
        """The targets of some rows."""
        return Targets({name: classes[rows] for name, classes in self.fields.items()}, self.abstain[rows])

    def sample(self, count: int, seed: int) -> Ints:
        """Row numbers: `count` random ones (all, when there are no more), and a few of every class of every field."""
        order = np.random.default_rng(seed).permutation(len(self.abstain))
        chosen = [order[:count]]
        for classes in (*self.fields.values(), self.abstain.astype(np.int64)):
            dealt = classes[order]
            chosen += [order[dealt == k][:_FEW] for k in np.unique(dealt) if k != MASKED]
        return np.unique(np.concatenate(chosen))


def targets_of(examples: Sequence[Example], taxonomy: Taxonomy) -> Targets:
    """Class indices of every predicted field; what must go to a person teaches no field. DataError when a label is not a class of the taxonomy."""
    fields = {}
    for f in taxonomy.predicted:
        index = {label: i for i, label in enumerate(f.classes)}
        rows = np.full(len(examples), MASKED, np.int64)
        for row, example in enumerate(examples):
            label = example.labels.get(f.name)
            if label is None or example.abstain:
                continue
            if label not in index:
                raise DataError(path=example.id, mistake=f"'{label}' is not a class of field '{f.name}'")
            rows[row] = index[label]
        fields[f.name] = rows
    abstain = np.array([bool(example.abstain) for example in examples], np.float32)
    return Targets(fields, abstain)


def label_rows(taxonomy: Taxonomy) -> list[Example]:
    """What the taxonomy says of its labels, as training rows: each name, synonym and description teaches its label.

    Levels of an ordered field ("High") say nothing about a ticket's text and are left out.
    """
    return [
        Example(id=f"label:{f.name}:{label.key}:{i}", text=text, labels={f.name: label.key})
        for f in taxonomy.predicted
        if not f.ordered
        for label in f.labels
        for i, text in enumerate(_sayings(label))
    ]


def _sayings(label: Label) -> list[str]:
    names = (label.key.replace("_", " "), *label.display.values(), *label.synonyms)
    return list(dict.fromkeys((*names, *label.description.values())))


def halves(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Two random halves, groups (templates, threads) kept together."""
    names = [example.group or example.id for example in examples]
    groups = sorted(set(names))
    order = np.random.default_rng(seed).permutation(len(groups))
    first = {groups[i] for i in order[: len(groups) // 2]}
    return (
        [e for e, name in zip(examples, names, strict=True) if name in first],
        [e for e, name in zip(examples, names, strict=True) if name not in first],
    )


def bucketed(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> list[Ints]:
    """Batches of row numbers in which texts are of similar length, in an order that only seed and epoch decide.

    Rows are shuffled, cut into pools of a few batches, and sorted by length within each pool: little padding,
    and still another mix every epoch.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    sizes = np.asarray(lengths)
    batches = []
    for start in range(0, len(order), batch * _BUCKETS):
        pool = order[start : start + batch * _BUCKETS]
        pool = pool[np.argsort(sizes[pool], kind="stable")]
        batches += [pool[i : i + batch] for i in range(0, len(pool), batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Ints, Ints]:
    """Token ids [B, T] and attention mask [B, T] of one batch."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), pad, np.int64)
    mask = np.zeros((len(rows), width), np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return ids, mask


def balanced_weights(classes: Ints, size: int) -> NDArray[np.float32]:
    """Per-class weights [size] that give every present class the same say; their mean over rows is 1."""
    counts = np.bincount(classes[classes != MASKED], minlength=size)
    present = max(1, int((counts > 0).sum()))
    weights = counts.sum() / (present * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 0.0).astype(np.float32)
