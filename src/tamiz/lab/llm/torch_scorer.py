"""transformers as a Scorer: the reference that every export is held against, and the notebook's runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tamiz.domain.errors import BrokenArtifactError
from tamiz.lab.llm import tokens as sft_tokens
from tamiz.lab.llm.base import CausalBase, load_causal
from tamiz.lab.llm.quiet import quiet
from tamiz.models.llm.prompt import Message


class TorchScorer:
    """A causal model in fp32 on the processor. Keys and values of the prefix that a prompt shares with the one before
    are computed once."""

    def __init__(self, base: CausalBase) -> None:
        self.name = f"transformers {base.name}"
        self.tokenizer, self.model = base.tokenizer, base.model.eval()
        self._seen: list[int] = []
        self._cache: Any = None

    @classmethod
    def open(cls, base: str, adapter: Path | None = None) -> TorchScorer:
        """Load a base by its name (`tamiz.lab.llm.base`), and a PEFT adapter's folder on it.

        ConfigError for a base that cannot be loaded, BrokenArtifactError for such an adapter.
        """
        found = load_causal(base)
        return cls(found if adapter is None else adapted(found, adapter))

    def chat(self, messages: Sequence[Message]) -> str:
        """The messages in the model's own template."""
        return sft_tokens.chat(self.tokenizer, messages)

    def tokens(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text; without `special`, control tokens in it are plain letters."""
        return list(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special))

    def forget(self, beginning: Sequence[int]) -> None:
        """What it keeps is cut back to these tokens; at least one is computed anew with any prompt."""
        shared = self._shared(beginning, len(beginning))
        if len(self._seen) > shared:
            self._cache.crop(shared - len(self._seen))
            self._seen = self._seen[:shared]

    def choose(self, prompt: Sequence[int], options: Sequence[int]) -> list[float]:
        """Probabilities of the options as the next token, among each other."""
        return [float(p) for p in self._logits(prompt)[list(options)].softmax(-1)]

    def write(self, prompt: Sequence[int], limit: int) -> str:
        """The rest of the line, greedily."""
        ends = self._ends()
        written: list[int] = []
        text = ""
        while len(written) < limit and "\n" not in text:
            token = int(self._logits([*prompt, *written]).argmax())
            if token in ends:
                break
            written.append(token)
            text = self.tokenizer.decode(written, skip_special_tokens=True)
        return text.partition("\n")[0]

    def _ends(self) -> set[int]:
        told = getattr(self.model.generation_config, "eos_token_id", None)
        return {self.tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])}

    def _logits(self, prompt: Sequence[int]) -> torch.Tensor:
        """Of the next token, float64 [vocabulary]."""
        shared = self._shared(prompt, len(prompt) - 1)
        if len(self._seen) > shared:
            self._cache.crop(shared - len(self._seen))
        with torch.inference_mode():
            found = self.model(
                input_ids=torch.tensor([list(prompt[shared:])]),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self._cache, self._seen = found.past_key_values, list(prompt)
        return found.logits[0, -1].double()

    def _shared(self, prompt: Sequence[int], most: int) -> int:
        """How many tokens at the beginning of a prompt, at most so many, are computed."""
        pairs = zip(self._seen, prompt[:most], strict=False)
        return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(self._seen), most))


def adapted(base: CausalBase, adapter: Path) -> CausalBase:
    """The base with a PEFT adapter on it; the base's own layers are changed by it."""
    try:
        with quiet():
            from peft import PeftModel

            model = PeftModel.from_pretrained(base.model, str(adapter))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BrokenArtifactError(
            path=adapter, mistake=f"it is no adapter for {base.name} ({_line(error)})"
        ) from error
    return CausalBase(base.name, model, base.tokenizer)


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
