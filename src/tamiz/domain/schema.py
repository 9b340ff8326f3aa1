"""JSON Schema, pydantic models and prompt text, all made from the taxonomy and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field, create_model

from tamiz.domain import taxonomy as tx
from tamiz.domain.triage import SCHEMA_VERSION, TOP_K, Decision

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUMMARY_SOURCES = ("llm", "extractive", "subject")


def compact_schema(taxonomy: tx.Taxonomy) -> dict[str, Any]:
    """The schema of the compact ticket: field → value, relations and matrices included."""
    properties = {f.name: _value_schema(f) for f in taxonomy.fields}
    return {
        "$schema": DIALECT,
        "title": f"{taxonomy.name} ticket",
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in taxonomy.fields if f.required],
        "properties": properties,
        "allOf": _rules(taxonomy, lambda value: value),
    }


def wire_schema(taxonomy: tx.Taxonomy) -> dict[str, Any]:
    """The schema of the wire form of a triaged ticket (see `Triage.to_wire`)."""
    text = taxonomy.text_field
    fields = {
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in taxonomy.choices],
        "properties": {f.name: _field_schema(f) for f in taxonomy.choices},
        "allOf": _rules(taxonomy, lambda value: {"properties": {"value": value}, "required": ["value"]}),
    }
    return {
        "$schema": DIALECT,
        "title": f"{taxonomy.name} triaged ticket",
        "type": "object",
        "additionalProperties": False,
        "required": ["schema_version", "summary", "summary_source", "fields"],
        "properties": {
            "schema_version": {"const": SCHEMA_VERSION},
            "summary": {"type": "string", "maxLength": text.max_length if text else 200},
            "summary_source": {"enum": list(SUMMARY_SOURCES)},
            "fields": fields,
        },
    }


def compact_model(taxonomy: tx.Taxonomy) -> type[BaseModel]:
    """A pydantic model of the compact ticket: enums by Literal, unknown fields forbidden."""
    members: dict[str, Any] = {}
    for f in taxonomy.fields:
        default: Any = ... if f.required else None
        if f.kind is tx.FieldKind.TEXT:
            members[f.name] = (str, Field(default, max_length=f.max_length))
            continue
        values: Any = Literal[(*f.keys, tx.ABSTAIN)]
        members[f.name] = (Optional[values] if f.nullable or not f.required else values, Field(default))  # noqa: UP045
    return create_model("TicketModel", __config__=ConfigDict(extra="forbid", frozen=True), **members)


def prompt(taxonomy: tx.Taxonomy, language: str = "en") -> str:
    """The taxonomy as text for a person or a language model: one line per field, one per label."""
    lines = []
    for f in taxonomy.fields:
        lines.append(f"{f.name}: {_prose(f.description, language)}".rstrip(": "))
        for label in f.labels:
            parents = f" ({f.parent}: {', '.join(label.parents)})" if label.parents else ""
            synonyms = f" [{', '.join(label.synonyms)}]" if label.synonyms else ""
            about = _prose(label.description, language)
            lines.append(f"  - {label.key}{parents}{synonyms}{': ' + about if about else ''}")
        if f.nullable:
            lines.append("  - null")
        if f.kind is tx.FieldKind.CHOICE:
            lines.append(f"  - {tx.ABSTAIN}")
    return "\n".join(lines)


def _prose(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next(iter(texts.values()), "")


def _value_schema(f: tx.Field) -> dict[str, Any]:
    if f.kind is tx.FieldKind.TEXT:
        schema: dict[str, Any] = {"type": "string", "maxLength": f.max_length}
    else:
        schema = {"enum": [*f.keys, tx.ABSTAIN, *([None] if f.nullable else [])]}
    about = _prose(f.description, "en")
    return {**schema, "description": about} if about else schema


def _field_schema(f: tx.Field) -> dict[str, Any]:
    labels = list(f.keys)
    decided = [*labels, *([None] if f.nullable else [])]

    def case(decisions: list[Decision], values: dict[str, Any]) -> dict[str, Any]:
        return {"properties": {"decision": {"enum": [d.value for d in decisions]}, "value": values}}

    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["value", "confidence", "decision", "top"],
        "properties": {
            "value": {"enum": [*labels, tx.ABSTAIN, None]},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "decision": {"enum": [d.value for d in Decision]},
            "top": {
                "type": "array",
                "maxItems": TOP_K,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["label", "score"],
                    "properties": {
                        "label": {"enum": labels},
                        "score": {"type": "number", "minimum": 0, "maximum": 1},
                    },
                },
            },
        },
        "anyOf": [
            case([Decision.APPLY, Decision.RECOMMEND], {"enum": decided}),
            case([Decision.REVIEW], {"const": tx.ABSTAIN}),
            case([Decision.OFF], {"type": "null"}),
        ],
    }


def _rules(taxonomy: tx.Taxonomy, wrap: Any) -> list[dict[str, Any]]:
    """If/then rules for relations and matrices; `wrap` puts a value schema where the form keeps its value."""
    open_values = [tx.ABSTAIN, None]

    def rule(given: Mapping[str, str], name: str, values: list[str]) -> dict[str, Any]:
        return {
            "if": {
                "properties": {key: wrap({"const": value}) for key, value in given.items()},
                "required": list(given),
            },
            "then": {"properties": {name: wrap({"enum": [*values, *open_values]})}},
        }

    rules = []
    for f in taxonomy.choices:
        if f.parent:
            parent = taxonomy.field(f.parent)
            rules += [rule({f.parent: key}, f.name, list(f.allowed(key))) for key in parent.keys]
        if f.matrix is not None:
            for row, cells in f.matrix.cells.items():
                for column, value in cells.items():
                    rules.append(rule({f.matrix.rows: row, f.matrix.columns: column}, f.name, [value]))
    return rules
