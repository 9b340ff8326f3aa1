"""What the Colab notebook calls: a profile for this machine, rows from a file or the bank, a first answer, a zip."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from tamiz.domain.ports import Question
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.lab.data.examples import to_examples
from tamiz.lab.data.mapping import detect
from tamiz.lab.data.readers import read_table
from tamiz.lab.llm.export import read_run
from tamiz.lab.llm.rows import Parts, synthetic_rows, table_rows
from tamiz.lab.llm.torch_scorer import TorchScorer
from tamiz.models.llm import prompt
from tamiz.models.llm.decode import Asking, Decoder
from tamiz.text import canonicalize

LARGE, MIDDLE = 20e9, 6e9
"""Bytes of a card's memory from which the larger profiles are suggested."""


def suggested_profile() -> str:
    """The profile for what this machine computes on."""
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        return "one-large-gpu" if memory > LARGE else "qwen2.5-1.5b" if memory > MIDDLE else "qwen2.5-0.5b"
    return "mps" if torch.backends.mps.is_available() else "smollm2-cpu"


def read_rows(table: Path | None, count: int, seed: int = 0) -> tuple[Parts, Taxonomy]:
    """Rows to train on and held-out ones, and the taxonomy: of a labelled table, without one `count` synthetic tickets.

    DataError for a table that cannot be read or has no labels.
    """
    if table is None:
        return synthetic_rows(count, default_taxonomy(), seed), default_taxonomy()
    read = read_table(table)
    loaded = to_examples(read, detect(read))
    return table_rows(loaded.examples, loaded.subjects, loaded.taxonomy, seed), loaded.taxonomy


def answer(run: Path, text: str) -> dict[str, object]:
    """A ticket's fields as the trained model writes them: field → (label, its uncalibrated probability), the summary,
    and the probability that a person should decide."""
    trained = read_run(run)
    fields = tuple(f.name for f in trained.taxonomy.predicted)
    scorer = TorchScorer.open(trained.config.base, trained.adapter)
    asking = Asking(prompt.instructions()["en"][0])
    seen = canonicalize(RawMessage("", text))
    found = Decoder(scorer, trained.taxonomy, asking).decode(Question(seen.text, seen.language, fields))
    labels = {name: said.top(1)[0] for name, said in found.distributions.items()}
    told = {name: (label, round(share, 3)) for name, (label, share) in labels.items()}
    return {**told, "summary": found.summary, "needs_human": round(found.abstained, 3)}


def zipped(run: Path) -> Path:
    """The run's adapter as a zip beside it."""
    return Path(shutil.make_archive(str(run / "adapter"), "zip", read_run(run).adapter))
