"""Before a model is used, what people said stands in its space too; on every back end, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from tamiz.domain.errors import BadPredictionError
from tamiz.domain.ports import ModelInfo
from tamiz.domain.records import Revision
from tamiz.domain.status import Status
from tamiz.domain.storage import Store
from tamiz.domain.taxonomy import infer
from tamiz.domain.ticket import CanonicalText, RawMessage, Ticket
from tamiz.domain.triage import Prediction, Receipt, Triage
from tamiz.domain.vectors import digest, packed, told_space
from tamiz.service.models import activate, rollback
from tamiz.service.people import Feedback, correct
from tamiz.service.reembed import ALL, Reembed, nothing
from tamiz.testing import ScriptedModel
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.scripted_shelf import ScriptedShelf

A = "acme"
TAXONOMY = infer("desk", {"queue": ["red", "blue"]})
CLOCK = ManualClock()


@dataclass
class Encoder(ScriptedModel):
    """A model with a hash of its own; `during` happens while it embeds, `seen` is what it was given."""

    hash: str = "new"
    during: Callable[[Sequence[str]], None] = lambda texts: None
    seen: list[str] = field(default_factory=list)

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, content_hash=self.hash)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.seen += texts
        self.during(texts)
        return super().predict(texts)


def encoder(hash: str = "new", **given) -> Encoder:
    return Encoder(
        TAXONOMY, lambda text: {}, embedding=lambda text: [float(len(text)), 1.0], hash=hash, **given
    )


def ticket(store: Store, number: int, body: str = "") -> str:
    name, text = f"t{number:03}", body or f"body {'x' * number}"

    def work(tx) -> None:
        if tx.tickets.get(A, name) is None:
            tx.tickets.add(Ticket(name, RawMessage("s", "raw"), CLOCK.now(), A))
        record = tx.tickets.get(A, name)
        triage = Triage(name, "", "subject", {}, "en", Receipt("m", "old", "c", "1"))
        revision = Revision(A, name, record.revision + 1, CLOCK.now(), triage)
        tx.tickets.save(revision, Status.BY_AI, CanonicalText(text, "s", text))

    store.write(work)
    return name


def say(store: Store, name: str, value: str = "blue") -> None:
    correct(store, CLOCK, TAXONOMY, Feedback(A, name, {"queue": value}, "ana"))


def held(store: Store, space: str) -> list[str]:
    return sorted(one.ticket_id for one in store.read(lambda tx: tx.vectors.after(A, space)))


def test_corrected_tickets_and_the_newest_others_get_vectors(store) -> None:
    names = [ticket(store, number) for number in range(50)]
    for name in (names[3], names[40]):
        say(store, name)
    model, told = encoder(), []
    seen = Reembed(store, 100, 5, lambda *facts: told.append(facts))(A, model)
    assert seen == 2
    assert held(store, "new") == sorted([names[3], names[40], *names[45:]])
    assert held(store, told_space("new")) == [names[3], names[40]]
    assert told == [(A, 7, 7)]
    one = store.read(lambda tx: tx.vectors.after(A, "new"))[0]
    text = f"s\nbody {'x' * 3}"
    assert (one.ticket_id, one.data, one.digest) == (names[3], packed([float(len(text)), 1.0]), digest(text))


def test_what_has_vectors_is_not_embedded_again(store) -> None:
    names = [ticket(store, number) for number in range(40)]
    say(store, names[0])
    model = encoder()

    def break_off(texts: Sequence[str]) -> None:
        if len(model.calls) == 1:
            raise BadPredictionError(name="m", mistake="power cut")

    model.during = break_off
    with pytest.raises(BadPredictionError):
        Reembed(store, 100, 40)(A, model)
    before = held(store, "new")
    assert len(before) == 32
    again = encoder()
    Reembed(store, 100, 40)(A, again)
    assert len(again.seen) == 8
    assert held(store, "new") == names
    assert held(store, told_space("new")) == names[:1]


def test_only_so_many_are_kept_and_the_end_is_reached(store) -> None:
    names = [ticket(store, number) for number in range(20)]
    for name in names[:10]:
        say(store, name)
    Reembed(store, 6, 4)(A, encoder())
    assert held(store, "new") == sorted([*names[8:10], *names[16:]])
    assert held(store, told_space("new")) == names[:10]


def test_a_model_without_vectors_has_nothing_to_prepare(store) -> None:
    say(store, ticket(store, 1))
    model = encoder()
    model.embedding = lambda text: ()
    assert Reembed(store, 100, 5)(A, model) == ALL
    assert held(store, "new") == []


def test_what_happens_meanwhile_is_not_lost(backend, store) -> None:
    names = [ticket(store, number) for number in range(6)]
    say(store, names[0])
    rounds = iter(range(9))

    def meanwhile(texts: Sequence[str]) -> None:
        number = next(rounds)
        if number == 0:
            say(store, names[1])
            say(store, names[3])
        if number == 1:
            ticket(store, 1, "another text")
            say(store, names[2])
            if backend.durable:
                from tamiz.store.upkeep import erase

                erase(store, [(A, names[3])])

    shelf = ScriptedShelf({"new": encoder(during=meanwhile)})
    activate(store, CLOCK, shelf, A, "new", "ana", Reembed(store, 100, 0))
    left = names[:3] if backend.durable else names[:4]
    assert held(store, "new") == held(store, told_space("new")) == left
    text = digest("s\nanother text")
    assert [one.ticket_id for one in store.read(lambda tx: tx.vectors.equal(A, "new", text))] == names[1:2]
    assert next(rounds) == 4


def test_the_pointer_waits_for_a_word_that_came_last(store) -> None:
    names = [ticket(store, number) for number in range(3)]
    say(store, names[0])
    prepare = Reembed(store, 100, 0)
    late = [names[1], names[2]]

    def ahead(tenant: str, model: Encoder) -> int:
        seen = prepare(tenant, model)
        if late:
            say(store, late.pop())  # after the last look, before the pointer moves
        return seen

    active = activate(store, CLOCK, ScriptedShelf({"new": encoder()}), A, "new", "ana", ahead)
    assert active.content_hash == "new"
    assert held(store, told_space("new")) == names


def test_a_word_after_the_pointer_has_moved_counts_in_both_spaces(store) -> None:
    names = [ticket(store, number) for number in range(3)]
    activate(store, CLOCK, ScriptedShelf({"new": encoder()}), A, "new", "ana", Reembed(store, 100, 3))
    assert held(store, told_space("new")) == []
    say(store, names[1])
    assert held(store, told_space("new")) == names[1:2]


def test_going_back_prepares_what_was_said_meanwhile(store) -> None:
    names = [ticket(store, number) for number in range(3)]
    shelf = ScriptedShelf({"one": encoder("one"), "two": encoder("two")})
    ahead = Reembed(store, 100, 0)
    activate(store, CLOCK, shelf, A, "one", "ana", ahead)
    activate(store, CLOCK, shelf, A, "two", "ana", nothing)
    say(store, names[1])
    assert held(store, told_space("one")) == []
    rollback(store, CLOCK, shelf, A, "ana", ahead)
    assert held(store, told_space("one")) == names[1:2]
