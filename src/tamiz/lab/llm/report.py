"""A language model's report for people."""

from __future__ import annotations

from typing import Any

from tamiz.lab.llm.judge import CASCADE, ENCODER, LINEAR, MAJORITY, RULES, TUNED, UNTUNED

SYSTEMS = (TUNED, UNTUNED, ENCODER, CASCADE, LINEAR, RULES, MAJORITY)

HONESTY = """The adapter has seen synthetic tickets only, and fewer of them than the encoder. The test tickets come from
scenarios and severity phrases that stand in no training ticket; intervals resample scenarios. The cascade's figures are
of its most likely values: the encoder's, pooled with the language model's word where the encoder left a field open."""


def headline(report: dict[str, Any]) -> list[dict[str, str]]:
    """The lines that benchmarks.md shows, one per field."""
    return [
        {
            "figure": f"{name}: accuracy of the fine-tuned language model on scenario-disjoint synthetic tickets",
            "value": f"{100 * f['accuracy'][TUNED]['value']:.1f} %",
            "beside": ", ".join(
                f"{system} {100 * f['accuracy'][system]['value']:.1f} %"
                for system in SYSTEMS
                if system != TUNED
            ),
        }
        for name, f in report["fields"].items()
    ]


def as_markdown(report: dict[str, Any]) -> str:
    """Tables of accuracies, calibration, the cascade, real tickets, scope and summaries."""
    training = report["training"]
    lines = [
        "# it-helpdesk-llm: the adapter that ships",
        "",
        HONESTY,
        "",
        f"{training['config']['base']}, LoRA of rank {training['config']['rank']} on all linear layers "
        f"({training['trained_parameters']:,} parameters), {training['rows']:,} rows, {training['steps']:,} steps in "
        f"{training['seconds'] / 60:.0f} minutes on {training['device']} ({training['precision']}, "
        f"{training['examples_per_second']} examples/s, {training['peak_memory_mb']:,} MB); held-out loss "
        f"{training['held_out_loss']}. {report['megabytes']} MB, hash {report['hash'][:12]}.",
        "",
        "## Accuracy, %",
        "",
        "| field | " + " | ".join(SYSTEMS) + " |",
        "|---" * (len(SYSTEMS) + 1) + "|",
    ]
    for name, f in report["fields"].items():
        lines.append(f"| {name} | " + " | ".join(_share(f["accuracy"][s]) for s in SYSTEMS) + " |")
    lines += ["", "## By language", "", "| field | language | " + " | ".join(SYSTEMS) + " |"]
    lines.append("|---" * (len(SYSTEMS) + 2) + "|")
    for name, f in report["fields"].items():
        for language, by in f["by_language"].items():
            lines.append(
                f"| {name} | {language} | " + " | ".join(f"{100 * by[s]:.1f}" for s in SYSTEMS) + " |"
            )
    lines += ["", "## Calibration and the cascade", ""]
    lines += [
        "| field | ECE fine-tuned | ECE encoder | ECE cascade | tuned - untuned p | better alone | cascade against it: only cascade right / only the other, p | suggested (right): cascade | encoder |",
        "|---" * 9 + "|",
    ]
    for name, f in report["fields"].items():
        lines.append(_cascade_line(name, f, report["encoder_gate"][name]))
    lines += ["", "## Real tickets", ""]
    for name, f in report["real"].items():
        told = ", ".join(f"{s} {_share(f['accuracy'][s])}" for s in SYSTEMS)
        lines.append(f"- {name}, {f['rows']} rows of {f['source']} (English): {told}.")
    if not report["real"]:
        lines.append("None here: set TAMIZ_DATA.")
    scope, told = report["scope"], report["summaries"]
    lines += [
        "",
        "No real Spanish tickets with these labels are at hand; Spanish is judged on synthetic ones alone.",
        "",
        f"Tickets that belong to a person ({scope['rows']:.0f}): AUROC {scope[TUNED]:.3f}, encoder {scope[ENCODER]:.3f}.",
        "",
        f"Summaries ({told['rows']}): {100 * told['grounded']:.1f} % grounded in their tickets, {told['words']:.1f} words.",
        "",
        *(f"- {'' if e['grounded'] else '(refused) '}{e['summary']}" for e in told["examples"]),
    ]
    return "\n".join(lines) + "\n"


def _cascade_line(name: str, f: dict[str, Any], alone: dict[str, float]) -> str:
    against, gate = f["cascade_against_better"], f["gate"]
    ece = " | ".join(f"{f['ece'][s]:.3f}" for s in (TUNED, ENCODER, CASCADE))
    return (
        f"| {name} | {ece} | {f['tuned_against_untuned']['p']:.1e} | {f['better']} | "
        f"{against['only_a']} / {against['only_b']}, {against['p']:.2f} | "
        f"{100 * gate['suggested']:.1f} ({100 * gate['right']:.1f}) | {100 * alone['suggested']:.1f} ({100 * alone['right']:.1f}) |"
    )


def _share(interval: dict[str, float]) -> str:
    return f"{100 * interval['value']:.1f} ({100 * interval['low']:.1f}-{100 * interval['high']:.1f})"
