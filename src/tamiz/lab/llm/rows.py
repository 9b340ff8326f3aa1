"""Rows to train on and rows to judge by, from the synthetic bank or from labelled examples; no group is on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.data.example import Example
from tamiz.lab.data.sft import of_examples, of_synthetic, sft_rows
from tamiz.lab.data.splits import group_disjoint, tied
from tamiz.lab.llm.tokens import Row
from tamiz.lab.synth import Split, generate

HELD_OUT = 0.05
MOST = 200
"""Held-out rows at most: the loss is steady, and more would only cost time."""

Parts = tuple[list[Row], list[Row]]


def synthetic_rows(count: int, taxonomy: Taxonomy, seed: int = 0) -> Parts:
    """`count` rows for training, and held-out ones of other scenarios of the bank.

    DataError where the taxonomy lacks a label of the bank, or the bank does not hold that many tickets.
    """

    def made(number: int, split: Split) -> list[Row]:
        return list(sft_rows(list(of_synthetic(generate(number, seed, split=split))), taxonomy, seed))

    return made(count, "train"), made(min(MOST, max(1, int(HELD_OUT * count))), "valid")


def table_rows(examples: Sequence[Example], subjects: bool, taxonomy: Taxonomy, seed: int = 0) -> Parts:
    """The rows of a labelled table; groups and near duplicates stay together. `subjects` as in `of_examples`."""
    shares = {"train": 1 - HELD_OUT, "held_out": HELD_OUT}
    split = group_disjoint(tied(examples), shares, seed, taxonomy.primary)
    train, held = (
        list(sft_rows(list(of_examples(part, subjects)), taxonomy, seed)) for part in split.values()
    )
    return list(train), list(held[:MOST])
