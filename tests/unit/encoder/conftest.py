"""A two-layer BERT with random weights, its tokenizer, and a few tickets, made in the test run: no download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from tamiz.domain.taxonomy import Field, FieldKind, Label, Taxonomy
from tamiz.lab.data.example import Example
from tamiz.lab.encoder_config import EncoderConfig

WORDS = [
    "vpn",
    "wifi",
    "network",
    "cable",
    "down",
    "laptop",
    "screen",
    "keyboard",
    "broken",
    "mouse",
    "my",
    "the",
    "is",
    "please",
    "slow",
    "again",
]

TAXONOMY = Taxonomy(
    "tiny",
    (
        Field("summary", FieldKind.TEXT),
        Field("category", FieldKind.CHOICE, labels=(Label("network"), Label("hardware"))),
        Field(
            "type",  # also the name of a method of torch modules
            FieldKind.CHOICE,
            parent="category",
            labels=(
                Label("vpn", parents=("network",)),
                Label("wifi", parents=("network",)),
                Label("screen", parents=("hardware",)),
                Label("keyboard", parents=("hardware",)),
            ),
        ),
        Field("application", FieldKind.CHOICE, nullable=True, labels=(Label("mail"), Label("erp"))),
    ),
    primary="category",
)


def _write_base(folder: Path, seed: int = 0) -> Path:
    """Save the base as a Hugging Face folder."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Tiny:
    """The base's folder, a taxonomy with every kind of field, configurations and tickets that go with them."""

    base: Path
    taxonomy: Taxonomy = TAXONOMY

    def config(self, **changes: object) -> EncoderConfig:
        """Small and quick, in fp32 on the processor."""
        settings = {
            "base": str(self.base),
            "device": "cpu",
            "precision": "fp32",
            "rank": 4,
            "epochs": 4,
            "batch": 8,
            "max_tokens": 16,
            "seed": 3,
            "learning_rate": 3e-3,
            **changes,
        }
        return EncoderConfig.model_validate(settings)

    def examples(self, count: int, start: int = 0) -> list[Example]:
        """Tickets whose words decide their labels; every fifth lacks the type, every eighth must go to a person."""
        kinds = [("network", "vpn"), ("network", "wifi"), ("hardware", "screen"), ("hardware", "keyboard")]
        rows = []
        for i in range(start, start + count):
            category, kind = kinds[i % 4]
            filler = " ".join(WORDS[5 + (i * k) % 9] for k in range(1, 2 + i % 5))
            labels = {"category": category, "type": kind, "application": ("none", "mail", "erp")[i % 3]}
            if i % 5 == 0:
                del labels["type"]
            odd = i % 8 == 7
            text = "please again" if odd else f"{kind} {filler}"
            rows.append(Example(f"row{i}", text, {} if odd else labels, "vague" if odd else ""))
        return rows


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'train'")
    torch.set_num_threads(1)  # threads that wait for each other cost more than this network computes
    return Tiny(_write_base(tmp_path_factory.mktemp("base")))
