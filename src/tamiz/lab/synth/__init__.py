"""Synthetic tickets for the default taxonomy: a hand-written bank, composed by seed into labelled texts."""

from tamiz.lab.synth.bank import Bank, default_bank, load_bank
from tamiz.lab.synth.export import record, write_csv, write_jsonl
from tamiz.lab.synth.generate import SynthTicket, generate
from tamiz.lab.synth.splits import SPLITS, Split
from tamiz.lab.synth.stats import render, statistics

__all__ = [
    "SPLITS",
    "Bank",
    "Split",
    "SynthTicket",
    "default_bank",
    "generate",
    "load_bank",
    "record",
    "render",
    "statistics",
    "write_csv",
    "write_jsonl",
]
