"""Fine-tuning: the loss sees answers only, padding changes nothing, a stopped run goes on, 4 bits work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch comes with the extra 'train'")
pytest.importorskip("trl", reason="trl comes with the extra 'train'")

from safetensors.torch import load_file

from tamiz.domain import taxonomy_file
from tamiz.domain.errors import ConfigError, DataError
from tamiz.lab.llm.base import PLAIN_TEMPLATE, load_causal
from tamiz.lab.llm.config import load_config, parse, profiles
from tamiz.lab.llm.tokens import tokenized
from tamiz.lab.llm.train import IGNORED, Collator, CompletionTrainer, linear_layers, train_llm, with_adapter


def weights(adapter: Path) -> dict[str, Any]:
    return load_file(adapter / "adapter_model.safetensors")


def same(left: Path, right: Path) -> bool:
    a, b = weights(left), weights(right)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def base(tiny: Any) -> Any:
    return load_causal(str(tiny.base))


def test_the_loss_counts_the_answer_and_its_end_only(tiny: Any, base: Any) -> None:
    row = tiny.rows(1)[0]
    (found,) = tokenized([row], tiny.taxonomy, base.tokenizer, 640)
    counted = [t for t, kept in zip(found["input_ids"], found["completion_mask"], strict=True) if kept]
    assert base.tokenizer.decode(counted) == row["completion"][0]["content"] + "<|im_end|>"
    assert "vpn" in row["prompt"][1]["content"]
    batch = Collator(2)([found])
    assert (batch["labels"] != IGNORED).sum() == len(counted)
    assert batch["labels"][0, -len(counted) :].tolist() == counted


def test_rows_that_do_not_fit_are_left_out(tiny: Any, base: Any, tmp_path: Path) -> None:
    short, long = tiny.rows(2)
    long["prompt"][1]["content"] *= 50
    assert len(tokenized([short, long], tiny.taxonomy, base.tokenizer, 640)) == 1
    with pytest.raises(DataError, match="none of 1 fits into 640 tokens"):
        train_llm(tiny.config(), [long], [], tiny.taxonomy, tmp_path)


def test_padding_does_not_change_the_loss(tiny: Any, base: Any) -> None:
    found = tokenized(tiny.rows(4), tiny.taxonomy, base.tokenizer, 640)
    assert len({row["length"] for row in found}) > 1
    loss = CompletionTrainer.compute_loss
    together = loss(None, base.model, Collator(2)(found), num_items_in_batch=1)
    alone = [loss(None, base.model, Collator(2)([row]), num_items_in_batch=1) for row in found]
    assert together.item() == pytest.approx(sum(a.item() for a in alone), rel=1e-5)
    ids = torch.tensor([found[0]["input_ids"]])
    labels = torch.where(torch.tensor([found[0]["completion_mask"]], dtype=torch.bool), ids, IGNORED)
    plain = base.model(input_ids=ids, labels=labels).loss
    assert loss(None, base.model, Collator(2)(found[:1])).item() == pytest.approx(plain.item(), rel=1e-5)


def test_an_adapter_sits_on_every_named_layer_or_not_at_all(tiny: Any) -> None:
    model = load_causal(str(tiny.base)).model
    assert linear_layers(model) == dict.fromkeys(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], 2
    )
    with pytest.raises(ConfigError, match=r"'query' is no linear layer .* there are down_proj"):
        with_adapter(model, tiny.config(targets=["q_proj", "query"]))
    adapted = with_adapter(model, tiny.config(targets=["q_proj", "v_proj"]))
    trained = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert len(trained) == 2 * 2 * 2
    assert all("lora_" in name for name in trained)


def test_a_run_learns_and_says_what_it_was(tiny: Any, tmp_path: Path) -> None:
    steps: list[tuple[int, int, float | None]] = []
    config = tiny.config(epochs=5, checkpointing=True, accumulate=2)
    adapter = train_llm(
        config, tiny.rows(16), tiny.rows(4, 100), tiny.taxonomy, tmp_path, lambda *told: steps.append(told)
    )
    facts = json.loads((tmp_path / "training.json").read_text())
    assert [step for step, _, _ in steps] == list(range(1, 11))
    assert steps[-1][1] == facts["steps"] == 10
    assert (
        facts["held_out_loss"] < 0.9 * facts["train_loss"]
    )  # that is the mean of all steps, the first ones too
    assert (facts["rows"], facts["left_out"]) == (16, 0)
    assert parse(facts["config"]) == config
    assert taxonomy_file.load(tmp_path / "taxonomy.toml") == tiny.taxonomy
    told = json.loads((adapter / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == tiny.base.name
    assert list((tmp_path / "tensorboard").iterdir())


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_adapter(tiny: Any, tmp_path: Path) -> None:
    config = tiny.config(epochs=2, save_every=2, dropout=0.1)
    data = (tiny.rows(8), [], tiny.taxonomy)
    whole = train_llm(config, *data, tmp_path / "whole")

    def kill(step: int, total: int, loss: float | None) -> None:
        if step == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train_llm(config, *data, tmp_path / "killed", kill)
    steps: list[int] = []
    resumed = train_llm(config, *data, tmp_path / "killed", lambda step, total, loss: steps.append(step))
    assert steps == [3, 4]
    assert same(whole, resumed)
    other = train_llm(config, tiny.rows(8, 1), [], tiny.taxonomy, tmp_path / "killed")
    assert not same(whole, other)


def test_training_stops_early_and_keeps_the_best_state(tiny: Any, tmp_path: Path) -> None:
    config = tiny.config(epochs=40, learning_rate=0.5, evaluate_every=1, patience=2)
    train_llm(config, tiny.rows(4), tiny.rows(4, 101), tiny.taxonomy, tmp_path)
    facts = json.loads((tmp_path / "training.json").read_text())
    assert facts["steps"] < 40
    assert facts["held_out_loss"] == pytest.approx(min(facts["held_out_losses"]), rel=1e-3)


def test_four_bits_train_an_adapter(tiny: Any, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes comes with the extra 'qlora'")
    config = tiny.config(mode="qlora", max_steps=2, checkpointing=True)
    model = load_causal(config.base, four_bit=True).model
    assert {type(m).__name__ for n, m in model.named_modules() if n.endswith("q_proj")} == {"Linear4bit"}
    adapter = train_llm(config, tiny.rows(8), [], tiny.taxonomy, tmp_path)
    assert all(weight.abs().sum() > 0 for name, weight in weights(adapter).items() if "lora_B" in name)


def test_every_profile_can_be_read() -> None:
    assert {
        "smollm2-cpu",
        "qwen2.5-0.5b",
        "qwen2.5-1.5b",
        "tinyllama",
        "phi-2",
        "mps",
        "one-large-gpu",
    } == set(profiles())
    for name in profiles():
        assert load_config(name).base


@pytest.mark.parametrize(
    "data, mistake",
    [
        ({"lerning_rate": 1.0}, "lerning_rate: is not a setting of"),
        ({"rank": 0}, "rank: input should be greater than or equal to 1"),
        ({"targets": []}, "targets: names no layer"),
        ({"patience": 2}, "patience needs evaluate_every"),
    ],
)
def test_a_wrong_setting_is_named(data: dict[str, Any], mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake):
        parse(data)


def test_what_this_machine_or_base_cannot_do_is_told(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not train in fp16"):
        train_llm(tiny.config(precision="fp16"), tiny.rows(4), [], tiny.taxonomy, tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        load_causal(str(tmp_path / "nothing"))
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match="qlora needs plain weights"):
        load_causal(str(tmp_path / "x.gguf"), four_bit=True)


def test_a_base_without_a_chat_template_gets_a_plain_one(tiny: Any, base: Any) -> None:
    messages = [
        {"role": "system", "content": "File it."},
        {"role": "user", "content": "VPN"},
        {"role": "assistant", "content": "topic: Network"},
        {"role": "user", "content": "Toner"},
    ]
    told = base.tokenizer.apply_chat_template(
        messages, chat_template=PLAIN_TEMPLATE, tokenize=False, add_generation_prompt=True
    )
    assert told == "File it.\nInstruct: VPN\nOutput:\ntopic: Network\nInstruct: Toner\nOutput:\n"
