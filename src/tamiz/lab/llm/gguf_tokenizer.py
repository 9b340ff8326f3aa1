"""A byte-level BPE tokenizer (GPT-2, SmolLM2, Qwen2.5, Llama 3, phi-2) in the keys of GGUF."""

from __future__ import annotations

import json
from typing import Any

from gguf import GGUFWriter, TokenType

from tamiz.domain.errors import ConfigError


def write_tokenizer(writer: GGUFWriter, tokenizer: Any, rows: int) -> None:
    """Add tokens, merges, special tokens and the chat template; ids without a token, up to `rows`, are filled.

    ConfigError for another kind of tokenizer.
    """
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    splitting = _splitting(spec["pre_tokenizer"])
    if spec["model"]["type"] != "BPE" or splitting is None:
        raise ConfigError(
            key="gguf",
            mistake="its tokenizer is not byte-level BPE; run `tamiz export merged` and convert that folder with "
            "llama.cpp's convert_hf_to_gguf.py, or export an adapter for the base's published GGUF",
        )
    tokens = [f"[PAD{i}]" for i in range(rows)]
    types = [TokenType.UNUSED] * rows
    for token, i in spec["model"]["vocab"].items():
        tokens[i], types[i] = token, TokenType.NORMAL
    for added in spec["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]])
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    for name in ("bos", "eos", "unk", "pad"):
        token = getattr(tokenizer, f"{name}_token_id")
        if token is not None:
            getattr(writer, f"add_{name}_token_id")(token)
    writer.add_chat_template(tokenizer.chat_template)


def _splitting(spec: dict[str, Any] | None) -> str | None:
    """llama.cpp's name for how text is cut before merging; None where it is another way. Every export compares the
    tokens of both sides, so a wrong guess is found."""
    steps = (spec or {}).get("pretokenizers") or [spec or {}]
    kinds = [step.get("type") for step in steps]
    if not kinds or kinds[-1] != "ByteLevel" or steps[-1].get("add_prefix_space"):
        return None
    if kinds == ["ByteLevel"]:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"]:
        return "smollm"
    if kinds == ["Split", "ByteLevel"]:
        return "llama-bpe" if "{1,3}" in json.dumps(steps[0]["pattern"]) else "qwen2"
    return None
