"""Tamiz: raw tickets in, strict schema-valid tickets out, with calibrated confidences.

>>> import tamiz
>>> sieve = tamiz.load("starter")
>>> ticket = sieve.triage("Cannot sign in to SAP, my password expired")
>>> sorted(ticket.to_wire())
['fields', 'schema_version', 'summary', 'summary_source']
"""

from tamiz.bootstrap.sieve import Sieve, load
from tamiz.domain.errors import TamizError
from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Decision, FieldTriage, Triage

__version__ = "0.1.0"

__all__ = [
    "Decision",
    "FieldTriage",
    "Policy",
    "RawMessage",
    "Sieve",
    "TamizError",
    "Taxonomy",
    "Triage",
    "__version__",
    "load",
]
