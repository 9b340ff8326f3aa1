"""A two-layer llama with random weights, a tokenizer of 400 tokens, and tickets that decide their labels: no download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tamiz.domain.taxonomy import Field, FieldKind, Label, Taxonomy
from tamiz.lab.data.example import Example
from tamiz.lab.data.sft import SftSource, sft_rows

TAXONOMY = Taxonomy(
    "tiny",
    (
        Field("summary", FieldKind.TEXT),
        Field("topic", FieldKind.CHOICE, labels=(Label("Network"), Label("Printing"))),
        Field("speed", FieldKind.CHOICE, nullable=True, labels=(Label("High"), Label("Low"))),
    ),
    primary="topic",
)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """SFT rows of two kinds of tickets."""
    kinds = [("The vpn is down", "Network", "High"), ("The toner is empty", "Printing", "Low")]
    sources = []
    for i in range(start, start + count):
        text, topic, speed = kinds[i % 2]
        example = Example(f"row{i}", f"{text} in room {i}.", {"topic": topic, "speed": speed})
        sources.append(SftSource(example, f"{text} {i}"))
    return list(sft_rows(sources, TAXONOMY, seed=0))


def tokenizer(vocabulary: int = 400) -> Any:
    """A byte-level BPE tokenizer in the manner of SmolLM2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [message["content"] for row in rows(40) for message in (*row["prompt"], *row["completion"])]
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=TEMPLATE,
    )


SIZES = {
    "vocab_size": 416,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.2,  # a random model with opinions: differences would not show in even probabilities
}


def _write_base(folder: Path, kind: str = "llama") -> Path:
    """Save a random model of this architecture and the tokenizer."""
    import torch
    import transformers

    names = {"llama": "Llama", "qwen2": "Qwen2", "phi": "Phi", "gpt_neox": "GPTNeoX"}
    torch.manual_seed(0)
    config = getattr(transformers, f"{names[kind]}Config")(
        **SIZES, tie_word_embeddings=kind == "llama", bos_token_id=1, eos_token_id=2, pad_token_id=2
    )
    getattr(transformers, f"{names[kind]}ForCausalLM")(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Tiny:
    """A base's folder, its taxonomy, and rows to learn."""

    base: Path
    taxonomy: Taxonomy = TAXONOMY

    def rows(self, count: int, start: int = 0) -> list[dict[str, Any]]:
        """Tickets number `start` and those after it."""
        return rows(count, start)

    def config(self, **changes: object) -> Any:
        """Small and quick, in fp32 on the processor."""
        from tamiz.lab.llm.config import parse

        return parse(
            {
                "base": str(self.base),
                "rank": 4,
                "alpha": 8,
                "batch": 4,
                "learning_rate": 1e-2,
                "precision": "fp32",
                "device": "cpu",
                **changes,
            }
        )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'train'")
    pytest.importorskip("trl", reason="trl comes with the extra 'train'")
    torch.set_num_threads(1)  # threads that wait for each other cost more than this network computes
    return Tiny(_write_base(tmp_path_factory.mktemp("base")))


@pytest.fixture(scope="session")
def write_base() -> Callable[..., Path]:
    """Writes a random base of an architecture into a folder."""
    return _write_base
