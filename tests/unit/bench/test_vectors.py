"""The search is measured against a comparison with every vector, and told as a page."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from tamiz.lab.bench import vectors
from tamiz.lab.bench.vectors_page import vectors_section


@pytest.mark.skipif(find_spec("usearch") is None, reason="the graph of neighbours needs the extra 'memory'")
def test_every_index_is_measured_alike(tmp_path) -> None:
    told = vectors.run(300, 30, ["exact", "usearch"])
    assert (told["vectors"], told["centres"]) == (300, 30)
    exact, graph = told["indexes"]["exact"], told["indexes"]["usearch"]
    assert (exact["recall"], exact["recall_alike"]) == (1.0, 1.0)
    assert graph["recall"] > 0.95
    for figures in (exact, graph):
        assert 0 < figures["p50"] <= figures["p99"]
    assert told["file"]["megabytes"] >= 0
    (tmp_path / "vectors.json").write_text(json.dumps({"300 around 30": told}), "utf-8")
    page = "\n".join(vectors_section(tmp_path))
    assert f"| 300 | 30 | usearch | {graph['recall']:.4f} |" in page


def test_without_figures_there_is_no_section(tmp_path) -> None:
    assert vectors_section(tmp_path) == []
