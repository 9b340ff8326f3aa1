"""Tickets through one readable function: canonicalise → predict → decide → validate."""

from tamiz.pipeline.triage import Canonicalizer, triage

__all__ = ["Canonicalizer", "triage"]
