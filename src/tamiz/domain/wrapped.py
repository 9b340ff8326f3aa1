"""Ports around other ports: what is not changed is the inner one's."""

from __future__ import annotations

from dataclasses import dataclass

from tamiz.domain.ports import ModelInfo, Writer
from tamiz.domain.taxonomy import Taxonomy


@dataclass(frozen=True)
class WrappedWriter:
    """A language model inside another, which says how it is asked."""

    writer: Writer

    @property
    def info(self) -> ModelInfo:
        """The writer's identity."""
        return self.writer.info

    @property
    def taxonomy(self) -> Taxonomy:
        """The writer's taxonomy."""
        return self.writer.taxonomy

    @property
    def told(self) -> str:
        """What the writer is told beside the ticket."""
        return self.writer.told
