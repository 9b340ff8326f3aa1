"""A fine-tuned model in the forms that others read, each held against the trained one before it counts as exported.

Forms: a PEFT adapter, a merged Hugging Face folder, a GGUF LoRA adapter, a whole GGUF model. Every folder gets an
`export.json` that says what it is, its hash, and how far its answers lie from the trained model's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tamiz.domain import taxonomy_file
from tamiz.domain.errors import BrokenArtifactError, ConfigError, MissingExtraError, ProviderUnavailableError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.llm import gguf_file
from tamiz.lab.llm.base import CausalBase, base_gguf, load_causal
from tamiz.lab.llm.check import Check, Tolerance, check_export
from tamiz.lab.llm.config import LlmConfig, parse
from tamiz.lab.llm.quiet import quiet
from tamiz.lab.llm.torch_scorer import TorchScorer, adapted
from tamiz.lab.llm.train import ADAPTER, FACTS, TAXONOMY
from tamiz.models.llm.llama import LlamaScorer, serve
from tamiz.models.llm.runtime import Scorer

SAME = Tolerance(0.001, 1.0)
HALF = Tolerance(0.01, 0.95)
TOLERANCES: Mapping[str, Tolerance] = {
    "f16": HALF,
    "q8_0": Tolerance(0.04, 0.9),
    "q4_1": Tolerance(0.25, 0.6),
    "q4_0": Tolerance(0.25, 0.6),
}
"""By the form of a GGUF's matrices. llama.cpp also rounds activations to 8 bits where the weights are quantised.

Measured with a trained SmolLM2-135M: f16 0.0003 and the same label in every question; q8_0 0.018 and 93 %; its adapter
on the base's Q4_1 0.019 and 98 % (the base alone 0.014). Merged and rounded to q4_1 it lies 0.42 away: so small a model
does not survive 4 bits, and that export is refused.
"""

REPORT = "export.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished training: its adapter's folder, what it was trained with, and its taxonomy."""

    adapter: Path
    config: LlmConfig
    taxonomy: Taxonomy


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported file or folder, and how it compared."""

    path: Path
    check: Check


def read_run(folder: Path) -> Run:
    """The run that `train_llm` wrote. BrokenArtifactError where there is no finished one.

    A run without a taxonomy of its own has the default one.
    """
    try:
        told = json.loads((folder / FACTS).read_text("utf-8"))
        config = parse(told["config"], str(folder / FACTS))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenArtifactError(path=folder, mistake=f"it is no finished training run ({error})") from error
    own = folder / TAXONOMY
    labels = taxonomy_file.load(own) if own.is_file() else taxonomy_file.default_taxonomy()
    return Run(folder / ADAPTER, config, labels)


def export_adapter(run: Run, out: Path, texts: Sequence[str] = ()) -> Exported:
    """Copy the PEFT adapter (safetensors, tokenizer) into `out` and load it from there."""
    _fresh(out)
    shutil.copytree(run.adapter, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("README.md"))
    check = _checked(run, TorchScorer.open(run.config.base, out), SAME, texts)
    return _settled(out, out / "adapter_model.safetensors", "peft adapter", run, check)


def export_merged(run: Run, out: Path, texts: Sequence[str] = ()) -> Exported:
    """Write base and adapter as one model in fp16, as `from_pretrained` reads it, with its tokenizer."""
    _fresh(out)
    merged = _merged(run)
    with quiet():
        merged.model.half().save_pretrained(str(out))
        merged.tokenizer.save_pretrained(str(out))
    check = _checked(run, TorchScorer.open(str(out.resolve())), HALF, texts)
    return _settled(out, out / "model.safetensors", "merged model", run, check)


def export_gguf_adapter(run: Run, out: Path, base: Path | None = None, texts: Sequence[str] = ()) -> Exported:
    """Write the adapter for llama.cpp as `out`/adapter.gguf and run it on the base's GGUF.

    `base` is that GGUF; without it the one that the run was trained on, else one made of the base for the check.
    """
    _fresh(out)
    path = out / "adapter.gguf"
    plain = load_causal(run.config.base)
    weights = {
        name: w.float().numpy() for name, w in load_file(run.adapter / "adapter_model.safetensors").items()
    }
    gguf_file.write_adapter(path, plain.model.config, weights, run.config.alpha)
    with tempfile.TemporaryDirectory() as workplace:
        ground = base or base_gguf(run.config.base)
        if ground is None:
            ground = Path(workplace) / "base.gguf"
            gguf_file.write_model(ground, plain.model, plain.tokenizer, "f16")
        trained = TorchScorer(adapted(plain, run.adapter))
        tolerance = TOLERANCES["q8_0"]
        with _llama(ground, path) as exported:
            check = check_export(trained, exported, run.taxonomy, tolerance, texts)
    return _settled(out, path, "gguf adapter", run, check)


def export_gguf(run: Run, out: Path, kind: str = "q8_0", texts: Sequence[str] = ()) -> Exported:
    """Write base and adapter as one GGUF model, its matrices in the form `kind` (f16, q8_0, q4_1, q4_0).

    ConfigError for another form, and for a base whose architecture or tokenizer GGUF cannot be written for here.
    """
    if kind not in TOLERANCES:
        raise ConfigError(key="--type", mistake=f"'{kind}' is not one of adapter, {', '.join(TOLERANCES)}")
    _fresh(out)
    path = out / f"model-{kind}.gguf"
    merged = _merged(run)
    gguf_file.write_model(path, merged.model, merged.tokenizer, kind, base_gguf(run.config.base))
    with _llama(path) as exported:
        check = _checked(run, exported, TOLERANCES[kind], texts)
    return _settled(out, path, f"gguf {kind}", run, check)


@contextmanager
def _llama(path: Path, adapter: Path | None = None) -> Iterator[LlamaScorer]:
    """The exported file in llama.cpp, as long as it is judged, however slow the machine is.

    One thread: llama.cpp's threads wait for each other by spinning, which takes minutes where other work goes on.
    """
    if find_spec("httpx") is None:
        raise MissingExtraError(package="httpx", extra="llm")
    import httpx

    name = f"llama.cpp {path.stem}"
    served = serve(path, adapter, threads=1)
    headers = {"Authorization": f"Bearer {served.key}"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=None, trust_env=False) as client:

        def post(route: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
            try:
                return dict(client.post(route, json=body).raise_for_status().json())
            except httpx.HTTPError as error:
                raise ProviderUnavailableError(provider=name, reason=str(error)) from error

        yield LlamaScorer(name, post, {0: 1.0} if adapter else None, served)


def _checked(run: Run, exported: Scorer, tolerance: Tolerance, texts: Sequence[str]) -> Check:
    trained = TorchScorer.open(run.config.base, run.adapter)
    return check_export(trained, exported, run.taxonomy, tolerance, texts)


def _merged(run: Run) -> CausalBase:
    """The base in fp32, also where it was trained in 4 bits, with the adapter's product added to its weights."""
    found = adapted(load_causal(run.config.base), run.adapter)
    with quiet(), torch.no_grad():
        return replace(found, model=found.model.merge_and_unload())


def _fresh(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        raise ConfigError(key="--out", mistake=f"'{out}' is not empty; name a new folder")
    out.mkdir(parents=True, exist_ok=True)


def _settled(out: Path, path: Path, form: str, run: Run, check: Check) -> Exported:
    """Write down what was made. BrokenArtifactError where it does not answer as the trained model does."""
    facts: dict[str, Any] = {
        "form": form,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": _sha256(path),
        "training": run.config.model_dump(),
        "check": check.to_dict(),
    }
    (out / REPORT).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    if check.mistake:
        finer = "; a finer --type keeps more" if form.startswith("gguf q4") else ""
        raise BrokenArtifactError(path=path, mistake=f"{check.mistake}{finer}")
    return Exported(path, check)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
