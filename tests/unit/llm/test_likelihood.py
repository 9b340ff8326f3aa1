"""How likely each value of a field was, from the tokens of an answer and what stood beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from tamiz.domain.ports import Question, Written
from tamiz.domain.taxonomy import ABSTAIN, NONE
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.models.llm.runtime import Reply
from tamiz.models.llm.structured import BLIND, Form
from tamiz.testing.misbehaving import Token

TAXONOMY = default_taxonomy()


def read(name: str, text: str, tokens: Sequence[Token]) -> Written:
    form = Form.of(TAXONOMY, Question("t", fields=(name,), summary=False))
    return form.read(Reply(text, choices=tuple(tokens)), "p")


def tops(*pairs: tuple[str, float]) -> dict[str, float]:
    return {token: math.log(p) for token, p in pairs}


class TestLikelihood:
    """Tokens as GPT-2's kind of tokenizer cuts JSON: quotes cling to what is before and after them."""

    def told(self, name: str, *tokens: Token) -> dict[str, float]:
        text = "".join(token for token, _ in tokens)
        written = read(name, text, tokens)
        distribution = written.distributions[name]
        assert math.fsum(distribution.probabilities) == pytest.approx(1.0)
        return {
            **dict(zip(distribution.labels, distribution.probabilities, strict=True)),
            ABSTAIN: written.abstained,
        }

    def test_labels_that_part_at_their_first_token(self) -> None:
        found = self.told(
            "category",
            ('{"', tops(('{"', 1.0))),
            ("category", tops(("category", 1.0))),
            ('":"', tops(('":"', 1.0))),
            ("Network", tops(("Network", 0.6), ("Access", 0.2), ("Hard", 0.1), ("VPN", 0.1))),
            ('"}', tops(('"}', 1.0))),
        )
        assert found["Network"] == pytest.approx(6 / 9)
        assert found["Access"] == pytest.approx(2 / 9)
        assert found["Hardware"] == pytest.approx(1 / 9)
        assert found["Workplace"] == found[ABSTAIN] == 0.0

    def test_labels_that_share_their_first_token_part_later(self) -> None:
        found = self.told(
            "category",
            ('{"category": "', tops(('{"category": "', 1.0))),
            ("S", tops(("S", 0.8), ("Net", 0.2))),
            ("oft", tops(("oft", 0.75), ("ecurity", 0.25))),
            ("ware", tops(("ware", 1.0))),
            ('"}', tops(('"}', 1.0))),
        )
        assert found["Software"] == pytest.approx(0.6)
        assert found["Security"] == pytest.approx(0.2)
        assert found["Network"] == pytest.approx(0.2)

    def test_null_parts_from_the_labels_at_the_quote(self) -> None:
        found = self.told(
            "application",
            ('{"', tops(('{"', 1.0))),
            ("application", tops(("application", 1.0))),
            ('":', tops(('":', 0.7), ('":"', 0.3))),
            ("null", tops(("null", 0.9), ("none", 0.1))),
            ("}", tops(("}", 1.0))),
        )
        assert found[NONE] == pytest.approx(0.9, abs=0.1)
        assert found[NONE] == max(found.values())

    def test_a_quote_that_clings_to_the_colon_leaves_null_to_the_shorter_token(self) -> None:
        found = self.told(
            "application",
            ('{"application', tops(('{"application', 1.0))),
            ('":"', tops(('":"', 0.6), ('":', 0.4))),
            ("Out", tops(("Out", 0.5), ("Teams", 0.5))),
            ('look"', tops(('look"', 1.0))),
            ("}", tops(("}", 1.0))),
        )
        assert found[NONE] == pytest.approx(0.4)
        assert found["Outlook"] == found["Teams"] == pytest.approx(0.3)

    def test_a_token_that_reaches_beyond_the_value(self) -> None:
        found = self.told(
            "urgency",
            ('{"urgency": "', tops(('{"urgency": "', 1.0))),
            ('High"}', tops(('High"}', 0.5), ('Low"}', 0.25), ("Low", 0.25))),
        )
        assert (found["High"], found["Low"]) == pytest.approx((0.5, 0.5))

    def test_the_abstention_has_a_share_of_its_own_and_its_mass_is_spread(self) -> None:
        found = self.told(
            "urgency",
            ('{"urgency": "', tops(('{"urgency": "', 1.0))),
            ("High", tops(("High", 0.5), ("needs", 0.3), ("Low", 0.2))),
            ('"}', tops(('"}', 1.0))),
        )
        assert found[ABSTAIN] == pytest.approx(0.3)
        assert (found["High"], found["Medium"], found["Low"]) == pytest.approx((0.6, 0.1, 0.3))

    def test_a_label_that_is_not_among_the_alternatives_gets_half_of_what_the_last_of_them_has(self) -> None:
        found = self.told(
            "urgency",
            ('{"urgency": "', tops(('{"urgency": "', 1.0))),
            ("High", tops(("High", 0.3), ("The", 0.2), ("A", 0.1))),
            ('"}', tops(('"}', 1.0))),
        )
        assert found[ABSTAIN] == pytest.approx(0.05 / 0.45)
        assert found["High"] == pytest.approx(0.3 / 0.45 + found[ABSTAIN] / 3)
        assert found["Medium"] == found["Low"] == pytest.approx(0.05 / 0.45 + found[ABSTAIN] / 3)

    @pytest.mark.parametrize(
        "tokens",
        [
            [('{"urgency": "', {}), ("High", {}), ('"}', {})],
            [('{"urgency": "High', tops(('{"urgency": "High', 1.0)))],
            [('{"urgency":', {}), (' "\\u0048igh"}', tops((' "\\u0048igh"}', 1.0)))],
            [('{"urgency": "', {}), ("High", {"Low": -0.1}), ('"}', {})],
        ],
        ids=[
            "no probabilities",
            "tokens that are not the text",
            "an escaped label",
            "the written one is not told",
        ],
    )
    def test_without_a_word_on_the_labels_the_stated_one_is_taken_blindly(self, tokens: list[Token]) -> None:
        text = '{"urgency": "\\u0048igh"}' if "u0048" in tokens[-1][0] else '{"urgency": "High"}'
        written = read("urgency", text, tokens)
        assert written.distributions["urgency"].best == ("High", pytest.approx(BLIND + 0.5 / 9))
