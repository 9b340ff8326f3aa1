"""The JSON Schema, the pydantic model and the rules say the same."""

from __future__ import annotations

import itertools
import random

import jsonschema
import pytest
from pydantic import ValidationError

from tamiz.domain.schema import compact_model, compact_schema, prompt, wire_schema
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.domain.taxonomy_file import default_taxonomy

TAXONOMY = default_taxonomy()


def test_schemas_are_valid_draft_2020_12() -> None:
    for schema in (compact_schema(TAXONOMY), wire_schema(TAXONOMY)):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False


def test_schema_and_rules_agree_on_random_tickets() -> None:
    validator = jsonschema.Draft202012Validator(compact_schema(TAXONOMY))
    rng = random.Random(7)
    verdicts = []
    for _ in range(3000):
        ticket: dict[str, str | None] = {"summary": "s"}
        for f in TAXONOMY.choices:
            ticket[f.name] = rng.choice([*f.keys, ABSTAIN] + ([None] if f.nullable else []))
        if rng.random() < 0.7:
            f = TAXONOMY.field("subcategory")
            ticket["subcategory"] = rng.choice(
                f.allowed(ticket["category"]) if ticket["category"] != ABSTAIN else f.keys
            )
            matrix = TAXONOMY.field("priority").matrix
            if ABSTAIN not in (ticket["impact"], ticket["urgency"]):
                ticket["priority"] = matrix.at(ticket["impact"], ticket["urgency"])
        verdicts.append(validator.is_valid(ticket))
        assert verdicts[-1] == (not TAXONOMY.violations(ticket)), ticket
    assert any(verdicts)
    assert not all(verdicts)


def test_pydantic_model_refuses_unknown_labels_and_fields() -> None:
    model = compact_model(TAXONOMY)
    ticket = {f.name: ABSTAIN for f in TAXONOMY.choices} | {"summary": "s"}
    assert model.model_validate(ticket)
    for wrong in ({"category": "Nope"}, {"colour": "red"}, {"summary": "x" * 201}):
        with pytest.raises(ValidationError):
            model.model_validate({**ticket, **wrong})


def test_prompt_names_every_label() -> None:
    for language in TAXONOMY.languages:
        text = prompt(TAXONOMY, language)
        assert all(key in text for key in itertools.chain.from_iterable(f.keys for f in TAXONOMY.choices))
