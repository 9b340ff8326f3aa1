"""GGUF, the form that llama.cpp reads: names and layout of tensors per architecture, whole models, LoRA adapters.

Architectures: llama (also SmolLM2, TinyLlama), qwen2 (Qwen2.5), phi (phi-2). Hugging Face and llama.cpp rotate the
positions of llama's attention differently, so the rows of its q and k are reordered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from numpy.typing import NDArray

from tamiz.domain.errors import ConfigError
from tamiz.lab.llm.gguf_tokenizer import write_tokenizer
from tamiz.models.llm.merge import copy_fields

Array = NDArray[Any]

TYPES: Mapping[str, tuple[Type, gguf.LlamaFileType]] = {
    "f32": (Type.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (Type.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (Type.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_1": (Type.Q4_1, gguf.LlamaFileType.MOSTLY_Q4_1),
    "q4_0": (Type.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
"""Forms of a whole model's matrices, the finest first; vectors stay in F32."""

_BLOCK = 32
_ENDINGS = (".weight", ".bias")
_LORA = re.compile(r"(?:base_model\.model\.)?(?P<layer>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
_QUERY_OR_KEY = re.compile(r"\.(?P<kind>[qk])_proj\.")


@dataclass(frozen=True, slots=True)
class Layout:
    """How llama.cpp names and stores what Hugging Face calls `model_type`."""

    name: str
    arch: gguf.MODEL_ARCH
    reordered: bool


LAYOUTS = {
    "llama": Layout("llama", gguf.MODEL_ARCH.LLAMA, True),
    "qwen2": Layout("qwen2", gguf.MODEL_ARCH.QWEN2, False),
    "phi": Layout("phi2", gguf.MODEL_ARCH.PHI2, False),
}


def layout(config: Any) -> Layout:
    """The layout of a model by its transformers configuration. ConfigError for an architecture not known here."""
    if config.model_type not in LAYOUTS:
        raise ConfigError(
            key="gguf",
            mistake=f"the architecture '{config.model_type}' is not known here ({', '.join(LAYOUTS)} are); "
            "run `tamiz export merged` and convert that folder with llama.cpp's convert_hf_to_gguf.py",
        )
    return LAYOUTS[config.model_type]


def write_adapter(path: Path, config: Any, weights: Mapping[str, Array], alpha: float) -> None:
    """Write LoRA matrices, by their PEFT names, as a GGUF adapter in F16. `config` is the base's."""
    form = layout(config)
    named = _naming(config, form)
    writer = GGUFWriter(path, form.name)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for name, weight in sorted(weights.items()):
        found = _LORA.fullmatch(name)
        if found is None:
            raise ConfigError(key="gguf", mistake=f"'{name}' of the adapter is no LoRA matrix")
        layer = f"{found['layer']}.weight"
        side = found["side"]
        if side == "B":  # its rows are the layer's rows
            weight = _reordered(layer, weight, config, form)
        writer.add_tensor(f"{named(layer)}.lora_{side.lower()}", weight.astype(np.float16))
    _finish(writer)


def write_model(path: Path, model: Any, tokenizer: Any, kind: str, origin: Path | None = None) -> None:
    """Write a whole causal model, its matrices in the form `kind` (of TYPES).

    Metadata and tokenizer come from `origin`, the GGUF that the model once was, else from the model's configuration
    and its byte-level BPE tokenizer. ConfigError for what cannot be told in GGUF here.
    """
    config = model.config
    form = layout(config)
    writer = GGUFWriter(path, form.name)
    tensors = dict(_tensors(model, form))
    if origin is not None:
        source = gguf.GGUFReader(origin)
        copy_fields(writer, source)
        tensors |= {t.name: np.array(t.data) for t in source.tensors if t.name not in tensors}
    else:
        _write_fields(writer, config)
        write_tokenizer(writer, tokenizer, tensors["token_embd.weight"].shape[0])
    quantized, file_type = TYPES[kind]
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for name, weight in tensors.items():
        chosen = _type(name, weight, quantized)
        writer.add_tensor(name, gguf.quants.quantize(weight, chosen), raw_dtype=chosen)
    _finish(writer)


def _type(name: str, weight: Array, wanted: Type) -> Type:
    """Vectors in full; in 4 bits the embedding, often the output layer too, would lose most, so it gets 8."""
    if weight.ndim < 2:
        return Type.F32
    if wanted in (Type.F32, Type.F16) or weight.shape[-1] % _BLOCK:
        return Type.F32 if wanted is Type.F32 else Type.F16
    return Type.Q8_0 if name in ("token_embd.weight", "output.weight") else wanted


def _tensors(model: Any, form: Layout) -> Iterator[tuple[str, Array]]:
    named = _naming(model.config, form)
    for name, value in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        weight = value.detach().float().cpu().numpy()
        yield named(name), _reordered(name, weight, model.config, form)


def _naming(config: Any, form: Layout) -> Callable[[str], str]:
    table = gguf.get_tensor_name_map(form.arch, config.num_hidden_layers)

    def named(name: str) -> str:
        found = table.get_name(name, _ENDINGS)
        if found is None:
            raise ConfigError(key="gguf", mistake=f"llama.cpp's {form.name} has no place for '{name}'")
        return str(found)

    return named


def _reordered(name: str, weight: Array, config: Any, form: Layout) -> Array:
    """Rows of q and k from two halves per head (Hugging Face) to pairs (llama.cpp), where the layout says so."""
    found = _QUERY_OR_KEY.search(name)
    if found is None or not form.reordered:
        return weight
    heads = config.num_attention_heads if found["kind"] == "q" else config.num_key_value_heads
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def _write_fields(writer: GGUFWriter, config: Any) -> None:
    rope: dict[str, Any] = dict(getattr(config, "rope_parameters", None) or {})
    if rope.get("rope_type", "default") != "default" or getattr(config, "use_sliding_window", False):
        raise ConfigError(
            key="gguf",
            mistake="the base stretches its positions or slides its window; run `tamiz export merged` and convert "
            "that folder with llama.cpp's convert_hf_to_gguf.py",
        )
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_vocab_size(config.vocab_size)
    theta: Any = rope.get("rope_theta") or getattr(config, "rope_theta", 10000.0)
    writer.add_rope_freq_base(float(theta))
    share = rope.get("partial_rotary_factor") or getattr(config, "partial_rotary_factor", None) or 1.0
    writer.add_rope_dimension_count(int(share * width))
    if width * heads != config.hidden_size:
        writer.add_key_length(width)
        writer.add_value_length(width)
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(config.layer_norm_eps)


def _finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
