"""An adapter merged into its base, once: llama.cpp adds LoRA's products to every token on the CPU, which costs more than
the base itself. Merged weights are kept in 8 bits (Q8_0), finer than a 4-bit base, so the adapter's small changes survive.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.errors import BrokenArtifactError, MissingExtraError

Array = NDArray[Any]

_OWN_KEYS = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version", "split.")
_ALPHA = "adapter.lora.alpha"


def merged(base: Path, adapter: Path, cache: Path) -> Path:
    """The GGUF file of base and adapter together, in the folder `cache` by the hashes of both; made where it is not.

    BrokenArtifactError where either cannot be read as GGUF or does not belong to the other.
    """
    name = hashlib.sha256(f"{_sha256(base)} {_sha256(adapter)}".encode()).hexdigest()[:20]
    place = cache / f"{name}.gguf"
    if not place.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        draft = place.with_suffix(f".{os.getpid()}.draft")
        try:
            _write(base, adapter, draft)
            draft.replace(place)
        except (ValueError, KeyError, IndexError, OSError) as error:
            raise BrokenArtifactError(
                path=adapter, mistake=f"it cannot be merged into {base.name} ({error})"
            ) from error
        finally:
            draft.unlink(missing_ok=True)
    return place


def _write(base: Path, adapter: Path, out: Path) -> None:
    if find_spec("gguf") is None:
        raise MissingExtraError(package="gguf", extra="llm")
    from gguf import GGML_QUANT_VERSION, GGUFReader, GGUFWriter, LlamaFileType
    from gguf.constants import GGMLQuantizationType as Type
    from gguf.quants import dequantize, quantize

    source, deltas = GGUFReader(base), _deltas(GGUFReader(adapter))
    writer = GGUFWriter(out, str(source.fields["general.architecture"].contents()))
    copy_fields(writer, source)
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(GGML_QUANT_VERSION)
    for tensor in source.tensors:
        delta = deltas.pop(tensor.name, None)
        if delta is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        weight = dequantize(tensor.data, tensor.tensor_type) + delta
        writer.add_tensor(tensor.name, quantize(weight, Type.Q8_0), raw_dtype=Type.Q8_0)
    if deltas:
        raise KeyError(f"the base has no {', '.join(sorted(deltas))}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def copy_fields(writer: Any, source: Any) -> None:
    """Metadata and tokenizer of a GGUFReader into a GGUFWriter; what speaks of the file itself is left out."""
    for key, field in source.fields.items():
        if not key.startswith(_OWN_KEYS):
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=inner)


def _deltas(adapter: Any) -> dict[str, Array]:
    """Tensor → what the adapter adds to it: alpha / rank · B A, [out, in]."""
    matrices: Mapping[str, Array] = {t.name: np.asarray(t.data, dtype=np.float32) for t in adapter.tensors}
    alpha = float(adapter.fields[_ALPHA].contents())
    names = {name.removesuffix(".lora_a") for name in matrices if name.endswith(".lora_a")}
    return {
        name: alpha
        / len(matrices[f"{name}.lora_a"])
        * (matrices[f"{name}.lora_b"] @ matrices[f"{name}.lora_a"])
        for name in names
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
