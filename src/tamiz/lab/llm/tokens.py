"""SFT rows as tokens. Prompt and answer are tokenised cue by value, as decoding does it; the loss sees the answer only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tamiz.domain.taxonomy import Taxonomy
from tamiz.models.llm import prompt

Row = Mapping[str, Any]
Encode = Callable[[str], list[int]]


def tokenized(
    rows: Sequence[Row], taxonomy: Taxonomy, tokenizer: Any, max_tokens: int
) -> list[dict[str, Any]]:
    """Rows of `sft_rows` as `input_ids` and `completion_mask` (1 where the loss counts); too long ones are left out."""
    end = ending(tokenizer)

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    found = []
    for row in rows:
        start = encode(chat(tokenizer, row["prompt"]))
        told = [token for part in pieces(row["completion"][0]["content"], taxonomy) for token in encode(part)]
        ids = [*start, *told, *encode(end)]
        if len(ids) <= max_tokens:
            mask = [0] * len(start) + [1] * (len(ids) - len(start))
            found.append({"input_ids": ids, "completion_mask": mask, "length": len(ids)})
    return found


def chat(tokenizer: Any, messages: Sequence[prompt.Message]) -> str:
    """The messages as the model's template writes them, up to where its answer begins."""
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))


def ending(tokenizer: Any) -> str:
    """What the model writes when its answer is done."""
    return str(tokenizer.eos_token)


def pieces(answer: str, taxonomy: Taxonomy) -> list[str]:
    """An answer cut into its cues and values, the parts that `prompt.segments` made it of."""
    parts: list[str] = []
    known = set(prompt.asked(taxonomy))
    for line in answer.split("\n"):
        name, _, written = line.partition(":")
        if name not in known:
            raise ValueError(f"'{line}' is no line of an answer")
        parts += [prompt.cue(name, not parts), written]
    return parts
