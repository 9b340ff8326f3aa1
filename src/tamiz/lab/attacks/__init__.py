"""Attacks on whoever reads a ticket, and how often they change an answer."""

from tamiz.lab.attacks.attack import Attacked, Family, Place, attacked, campaign, families, paraphrases
from tamiz.lab.attacks.measure import run

__all__ = ["Attacked", "Family", "Place", "attacked", "campaign", "families", "paraphrases", "run"]
