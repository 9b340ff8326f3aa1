"""A correction that no store can keep is refused before it reaches one."""

from datetime import UTC, datetime

import pytest

from tamiz.domain.errors import BadCorrectionError
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.service.people import Feedback, correct
from tamiz.testing.manual_clock import ManualClock

TAXONOMY = default_taxonomy()
FIELD = TAXONOMY.field(TAXONOMY.primary)


@pytest.mark.parametrize("strange", ["\x00", "\ud800", "a\udfffb", "\udc00\ud800"], ids=ascii)
@pytest.mark.parametrize("place", ["value", "field", "note"])
def test_what_is_no_text_is_no_correction(store, place, strange) -> None:
    store.write(
        lambda tx: tx.tickets.add(Ticket("t", RawMessage("s", "b"), datetime(2025, 6, 1, tzinfo=UTC), "a"))
    )
    name, value, note = FIELD.name, FIELD.keys[0], "seen before: ñ ☎ 𝄞"
    wrong = {
        "value": Feedback("a", "t", {name: strange}, "ana", note),
        "field": Feedback("a", "t", {name: value, strange: value}, "ana", note),
        "note": Feedback("a", "t", {name: value}, "ana", note + strange),
    }
    with pytest.raises(BadCorrectionError):
        correct(store, ManualClock(), TAXONOMY, wrong[place])
    assert store.read(lambda tx: tx.tickets.corrected("a", "t")) == {}
    correct(store, ManualClock(), TAXONOMY, Feedback("a", "t", {name: value}, "ana", note))
    assert store.read(lambda tx: tx.tickets.corrections("a"))[0].note == note
