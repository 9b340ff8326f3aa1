"""Fakes that ship: use them in your own tests instead of patching."""

from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.strange import strange_messages

__all__ = ["ScriptedModel", "strange_messages"]
