"""Frozen values and pure rules. Only the standard library and pydantic."""
