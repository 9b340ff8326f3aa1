"""Fakes that ship: use them in your own tests instead of patching."""

from tamiz.testing.scripted import ScriptedModel

__all__ = ["ScriptedModel"]
