"""The search is measured against the exact one, over the same vectors."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tamiz.lab.bench import vectors


@pytest.mark.skipif(find_spec("usearch") is None, reason="the graph of neighbours needs the extra 'memory'")
def test_every_index_is_measured_alike() -> None:
    told = vectors.run(300)
    assert told["vectors"] == 300
    assert {"exact", "usearch"} <= told["indexes"].keys()
    assert told["indexes"]["exact"]["recall"] == 1.0
    for figures in told["indexes"].values():
        assert 0.5 <= figures["recall"] <= 1.0
        assert 0 < figures["p50"] <= figures["p99"]
