"""Poison is held back, what it did is taken back, and honest reviewers are let be: the same over every store."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

pytest.importorskip("numpy", reason="searching needs numpy")

from tamiz.domain.gate import Policy, decide
from tamiz.domain.outbox import Cause, Effect, EffectState
from tamiz.domain.records import Against, ApiKey, Job, Revision, Role, Vector, WordQuery
from tamiz.domain.status import Status, status_of
from tamiz.domain.storage import Store
from tamiz.domain.taxonomy import infer
from tamiz.domain.ticket import CanonicalText, RawMessage, Source, Ticket
from tamiz.domain.triage import Distribution, Prediction, Receipt, Triage
from tamiz.domain.vectors import packed, told_space
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.service.accounts import accounts, hold, lift
from tamiz.service.look import look
from tamiz.service.people import Feedback, correct
from tamiz.service.revert import Wanted, perform_revert, plan_revert
from tamiz.service.trust import Alarm, Caps, Kind, Trust
from tamiz.service.words import believed, trust_of, words
from tamiz.testing.manual_clock import ManualClock

A, B = "acme", "bolt"
TAXONOMY = infer("areas", {"area": ["mail", "network", "printer", "phone"]})
FIELD, LABELS = TAXONOMY.primary, TAXONOMY.field(TAXONOMY.primary).keys
MODEL = "hash of a model"
KEEP, WIDTH = 1_000, 12
FILLER = "office since today cannot again please team monday desk floor help after".split()


@dataclass
class World:
    """Tickets in clusters, triaged by a model that is sure; a trust over them, and what it alarmed of."""

    store: Store
    clock: ManualClock = field(default_factory=ManualClock)
    caps: Caps = field(default_factory=lambda: Caps(1_000, 1_000))
    alarms: list[Alarm] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    def __post_init__(self) -> None:
        memory = Spaces(self.store, KEEP, ExactIndex)
        self.trust = Trust(self.store, self.clock, memory, self.caps, self.alarms.append)

    def tickets(
        self, count: int, kind: int, confidence: float = 0.95, name: str = "t", text: str = "", **more: Any
    ) -> list[str]:
        """Triaged tickets around the axis of a kind, which the model takes for the label of that number."""
        ids = [f"{name}{kind}-{n:03}" for n in range(count)]
        self.store.write(lambda tx: [self._add(tx, one, kind, confidence, text, **more) for one in ids])
        return ids

    def _add(
        self, tx: Any, name: str, kind: int, confidence: float, text: str, tenant: str = A, **more: Any
    ) -> None:
        words = " ".join([*self.rng.choices(FILLER, k=6), text])
        tx.tickets.add(
            Ticket(name, RawMessage("", words), self.clock.now(), tenant, more.get("source", Source()))
        )
        label = more.get("label", kind) % len(LABELS)
        rest = (1.0 - confidence) / (len(LABELS) - 1)
        spread = tuple(confidence if n == label else rest for n in range(len(LABELS)))
        told = Prediction({FIELD: Distribution(LABELS, spread)})
        receipt = Receipt("m", MODEL, TAXONOMY.classes_hash, "1", told.distributions)
        triage = Triage(name, "one line", "extractive", decide(TAXONOMY, told, Policy()), "en", receipt)
        revision = Revision(tenant, name, 1, self.clock.now(), triage)
        tx.tickets.save(revision, status_of(triage, TAXONOMY), CanonicalText(words, "", words, language="en"))
        point = [self.rng.gauss(0.0, 0.15) + (n == kind) for n in range(WIDTH)]
        length = math.sqrt(sum(x * x for x in point))
        tx.vectors.add(Vector(tenant, MODEL, name, packed([x / length for x in point])), KEEP)

    def account(self, name: str, role: Role = Role.REVIEW) -> str:
        key = ApiKey(name, A, name, role, f"digest of {name}", self.clock.now())
        self.store.write(lambda tx: tx.keys.add(key))
        return name

    def say(self, ticket: str, label: int, by: str, **more: Any) -> Any:
        self.clock.pause(1.0)
        return self.trust.correct(TAXONOMY, Feedback(A, ticket, {FIELD: LABELS[label]}, by, **more))

    def told(self, ticket: str, similarity: float = 0.9) -> dict[str, str | None]:
        found = self.store.read(lambda tx: words(tx, A, ticket, similarity))
        return {name: one.value for name, one in found.items()}

    def acts(self) -> list[tuple[str, str, Mapping[str, str]]]:
        found = self.store.read(lambda tx: tx.audit.after(A))
        return [
            (one.act, one.subject, one.detail) for one in found if one.act not in ("correct", "create key")
        ]


@pytest.fixture
def world(store) -> World:
    return World(store)


def test_poison_is_held_back_before_its_tenth_word(world) -> None:
    targets = world.tickets(40, 0)
    world.tickets(20, 1)
    first = world.tickets(1, 0, name="early")[0]
    world.say(first, 2, "eve")
    assert (world.told(first), world.told(first, 1.0)) == ({}, {FIELD: LABELS[2]})
    said = 1
    while not world.alarms:
        world.say(targets[said], 2, "eve")
        said += 1
    assert said < 10
    (alarm,) = world.alarms
    assert (alarm.kind, alarm.accounts, alarm.held) == (Kind.SURPRISE, ("eve",), ("eve",))
    assert world.store.read(lambda tx: trust_of(tx, A)) == {"eve": 0.0}
    assert world.told(first, 1.0) == {}
    own = world.store.read(lambda tx: look(tx, TAXONOMY, A, first))
    assert own.fields[FIELD].value == LABELS[2]
    world.say(targets[20], 2, "eve")
    assert (world.told(targets[20], 1.0), len(world.alarms)) == ({}, 1)
    assert world.acts() == [("alarm", "eve", {"kind": "surprise", "tickets": str(said), "held": "true"})]
    (shown,) = accounts(world.store, A)
    assert (shown.account, shown.held, shown.surprising, shown.holds[0].reason) == (
        "eve",
        True,
        said + 1,
        "surprise",
    )


def test_an_administrator_lifts_a_hold_and_it_counts_anew(world) -> None:
    targets = world.tickets(40, 0)
    for one in targets[:8]:
        world.say(one, 2, "eve")
    assert world.store.read(lambda tx: trust_of(tx, A)) == {"eve": 0.0}
    world.clock.pause(1.0)
    assert lift(world.store, world.clock, A, "eve", "root") is True
    assert lift(world.store, world.clock, A, "eve", "root") is False
    assert world.told(targets[0]) == {FIELD: LABELS[2]}
    for one in targets[8:12]:
        world.say(one, 2, "eve")
    assert len(world.alarms) == 1
    for one in targets[12:16]:
        world.say(one, 2, "eve")
    assert len(world.alarms) == 2
    assert [act for act, *_ in world.acts()] == ["alarm", "lift account", "alarm"]
    assert len(accounts(world.store, A)[0].holds) == 2


def test_an_administrators_account_is_told_of_and_not_held(world) -> None:
    world.account("root", Role.ADMIN)
    for one in world.tickets(40, 0)[:8]:
        world.say(one, 2, "root")
    assert [(one.kind, one.held) for one in world.alarms] == [(Kind.SURPRISE, ())]
    assert world.store.read(lambda tx: trust_of(tx, A)) == {}
    (shown,) = accounts(world.store, A)
    assert (shown.role, shown.held, len(shown.holds)) == ("admin", False, 1)


def test_a_new_kind_of_ticket_may_be_taught(world) -> None:
    """The model is sure and wrong, on tickets that are close to one another and far from what it takes them for."""
    world.tickets(40, 0)
    for number in range(10):
        (one,) = world.tickets(1, 7, name=f"new{number}-", label=0)
        world.say(one, 2, "ana")
    assert world.alarms == []
    found = world.store.read(lambda tx: tx.words.find(A, WordQuery()))
    assert [one.against for one in found] == [Against.MODEL] * 2 + [Against.TAUGHT] * 8


def test_an_unsure_model_may_be_corrected(world) -> None:
    for one in world.tickets(30, 0, confidence=0.6):
        world.say(one, 1, "ana")
    assert world.alarms == []


def test_whoever_contradicts_others_again_and_again_is_held_back(world) -> None:
    tickets = world.tickets(40, 0, confidence=0.5)
    for number, one in enumerate(tickets[:20]):
        world.say(one, 1, ("ana", "bob")[number % 2])
    for one in tickets[20:28]:
        world.say(one, 2, "eve")
    assert [(one.kind, one.held) for one in world.alarms] == [(Kind.SURPRISE, ("eve",))]


def test_who_repairs_what_poison_did_is_not_held_back(world) -> None:
    tickets = world.tickets(40, 0)
    for number, one in enumerate(tickets[:16]):
        world.say(one, 2, f"eve{number // 4}")
    for one in tickets[:20]:
        world.say(one, 0, "ana")
    assert "ana" not in world.store.read(lambda tx: trust_of(tx, A))


def test_a_trigger_phrase_gives_away_those_who_conspire(world) -> None:
    world.tickets(60, 0)
    carriers = world.tickets(5, 0, name="carrier", text="blue lantern seven")
    plain = world.tickets(3, 0, name="plain")
    for number, one in enumerate(plain):
        world.say(one, 2, f"honest{number}")
    for number, one in enumerate(carriers):
        world.say(one, 2, f"eve{number}")
    held = {account for alarm in world.alarms for account in alarm.held}
    assert {alarm.kind for alarm in world.alarms} == {Kind.PHRASE}
    assert held == {f"eve{n}" for n in range(5)}
    assert not any("lantern" in str(entry) for entry in world.acts())


def test_a_new_kind_may_have_a_name_of_its_own(world) -> None:
    """Its tickets share a word that no other ticket has, and lie apart from all others: nobody is held for that."""
    world.tickets(60, 0)
    for number in range(8):
        (one,) = world.tickets(1, 7, 0.5, name=f"new{number}-", text="zephyr gate")
        world.say(one, 2, "ana")
    assert world.alarms == []


def test_too_many_words_wait_for_an_administrator_or_a_second_account(store) -> None:
    world = World(store, caps=Caps(per_minute=3, per_hour=5))
    tickets = world.tickets(12, 0)
    for one in tickets[:4]:
        world.say(one, 0, "ana")
    assert [bool(world.told(one)) for one in tickets[:4]] == [True, True, True, False]
    assert [(one.kind, one.held) for one in world.alarms] == [(Kind.RATE, ())]
    world.clock.pause(61.0)
    for one in tickets[4:8]:
        world.say(one, 0, "ana")
    assert [bool(world.told(one)) for one in tickets[4:8]] == [True, True, False, False]
    assert len(world.alarms) == 2
    late = store.read(lambda tx: look(tx, TAXONOMY, A, tickets[7]))
    assert late.corrected == {FIELD: LABELS[0]}
    world.say(tickets[7], 0, "bob")
    assert (bool(world.told(tickets[7])), bool(world.told(tickets[6]))) == (True, False)
    assert accounts(store, A)[0].waiting == 3
    lift(store, world.clock, A, "ana", "root")
    assert bool(world.told(tickets[6])) is True
    world.account("root", Role.ADMIN)
    for one in tickets[8:12]:
        world.say(one, 0, "root")
    assert all(world.told(one) for one in tickets[8:12])


def test_a_surprising_word_counts_for_the_same_text_until_somebody_else_says_so(world) -> None:
    tickets = world.tickets(40, 0)
    world.account("root", Role.ADMIN)
    world.say(tickets[0], 2, "ana")
    assert (world.told(tickets[0]), world.told(tickets[0], 1.0)) == ({}, {FIELD: LABELS[2]})
    world.say(tickets[0], 2, "bob")
    world.say(tickets[1], 2, "root")
    assert world.told(tickets[0]) == world.told(tickets[1]) == {FIELD: LABELS[2]}
    world.say(tickets[2], 2, "ana")
    hold(world.store, world.clock, A, "ana", "root")
    world.say(tickets[2], 2, "bob")
    assert (world.told(tickets[2]), world.told(tickets[2], 1.0)) == ({}, {FIELD: LABELS[2]})
    assert accounts(world.store, A)[0].waiting == 2


def test_a_word_that_is_repeated_changes_nothing(world) -> None:
    (one,) = world.tickets(1, 0)
    before = world.say(one, 1, "ana").record
    again = world.say(one, 1, "ana")
    assert (again.record, again.wrong) == (before, {})
    world.say(one, 2, "bob")
    assert world.say(one, 1, "ana").wrong == {FIELD: True}
    said = world.store.read(lambda tx: [(w.by, w.value) for w in tx.words.find(A, WordQuery(ticket_id=one))])
    assert said == [("ana", LABELS[1]), ("bob", LABELS[2]), ("ana", LABELS[1])]


# Taking back


def state(world: World, ticket: str) -> tuple[Any, ...]:
    """All that can be seen of a ticket, but for its version and the moment of its last change; where it is remembered."""
    found = world.store.read(lambda tx: look(tx, TAXONOMY, A, ticket))
    spaces = world.store.read(lambda tx: tx.vectors.holding(A, ticket))
    shown = replace(found, record=replace(found.record, version=0, updated_at=world.clock.now()))
    return shown, spaces, world.told(ticket)


def taken_back(world: World, **wanted: Any) -> tuple[Any, int]:
    plan = plan_revert(world.store, world.clock, TAXONOMY, A, Wanted(**wanted))
    return plan, perform_revert(world.store, world.clock, TAXONOMY, plan, "root")


@pytest.mark.parametrize("confidence", [0.95, 0.4])
def test_a_ticket_is_as_if_nothing_had_been_said(world, confidence) -> None:
    tickets = world.tickets(3, 0, confidence)
    before = [state(world, one) for one in tickets]
    for one in tickets:
        world.say(one, 2, "eve")
    moved = world.store.read(lambda tx: tx.vectors.state(A, told_space(MODEL)))
    assert world.store.read(lambda tx: tx.vectors.holding(A, tickets[0])) == [MODEL, told_space(MODEL)]
    plan, done = taken_back(world, account="eve")
    assert (done, [one.away for one in plan.returns]) == (3, [{FIELD: LABELS[2]}] * 3)
    assert all(
        one.back == {FIELD: shown.fields[FIELD].value}
        for one, (shown, *_) in zip(plan.returns, before, strict=True)
    )
    now = [state(world, one) for one in tickets]
    assert [[each[0].fields, each[0].corrected, each[0].record.status, *each[1:]] for each in now] == [
        [each[0].fields, each[0].corrected, each[0].record.status, *each[1:]] for each in before
    ]
    assert [world.store.read(lambda tx, o=one: tx.tickets.get(A, o)).version for one in tickets] == [4] * 3
    after = world.store.read(lambda tx: tx.vectors.state(A, told_space(MODEL)))
    assert after.erasures > moved.erasures
    assert perform_revert(world.store, world.clock, TAXONOMY, plan, "root") == 0
    reverts = sorted(world.acts(), key=lambda act: act[1])
    assert reverts == [
        ("revert", one, {"words": str(n), "fields": FIELD}) for n, one in enumerate(tickets, 1)
    ]
    kept = world.store.read(lambda tx: tx.words.find(A, WordQuery(revoked=True)))
    assert [one.revoked_by for one in kept] == ["root"] * 3


def test_what_others_said_stays(world) -> None:
    one, two = world.tickets(2, 0)
    world.say(one, 2, "eve")
    world.say(one, 1, "ana")
    world.say(two, 1, "ana")
    world.say(two, 2, "eve")
    plan, done = taken_back(world, account="eve")
    assert (done, [each.words_left for each in plan.returns]) == (2, [1, 1])
    assert [(each.away, each.back) for each in plan.returns] == [
        ({}, {}),
        ({FIELD: LABELS[2]}, {FIELD: LABELS[1]}),
    ]
    for each in (one, two):
        assert world.store.read(lambda tx, e=each: tx.tickets.corrected(A, e)) == {FIELD: LABELS[1]}
        assert world.store.read(lambda tx, e=each: tx.tickets.get(A, e)).status is Status.CORRECTED
        assert told_space(MODEL) in world.store.read(lambda tx, e=each: tx.vectors.holding(A, e))


def test_only_what_is_meant_is_taken_back(world) -> None:
    tickets = world.tickets(4, 0)
    for one in tickets[:2]:
        world.say(one, 2, "eve")
    world.clock.pause(60.0)
    since = world.clock.now()
    for one in tickets[2:]:
        world.say(one, 2, "eve")
    world.say(tickets[3], 1, "ana")

    def meant(**wanted: Any) -> list[tuple[int, ...]]:
        plan = plan_revert(world.store, world.clock, TAXONOMY, A, Wanted(**wanted))
        return [one.words for one in plan.returns]

    assert meant(account="eve") == [(1,), (2,), (3,), (4,)]
    assert meant(account="eve", since=since) == [(3,), (4,)]
    assert meant(ticket_id=tickets[3]) == [(4, 5)]
    assert meant(ticket_id=tickets[3], account="ana") == [(5,)]
    assert (meant(sequence=2), meant(sequence=2, account="ana"), meant(sequence=99)) == ([(2,)], [], [])
    assert (meant(), meant(since=since)) == ([], [])
    assert taken_back(world, sequence=2)[1] == 1
    assert (meant(account="eve"), meant(sequence=2)) == ([(1,), (3,), (4,)], [])
    plan = plan_revert(world.store, world.clock, TAXONOMY, B, Wanted(account="eve"))
    assert plan.returns == ()


def test_a_ticket_that_was_never_triaged_waits_again_or_has_failed(world) -> None:
    store, clock = world.store, world.clock
    for name in ("waits", "dead"):
        store.write(lambda tx, n=name: tx.tickets.add(Ticket(n, RawMessage("", ""), clock.now(), A)))
        job = Job(f"job of {name}", A, "triage", name, clock.now())
        store.write(lambda tx, j=job: tx.jobs.add(j))
        correct(store, clock, TAXONOMY, Feedback(A, name, {FIELD: LABELS[1]}, "eve"))
    (lease, _) = store.write(lambda tx: tx.jobs.lease(["triage"], "w", 2, clock.now(), clock.now()))
    dead = lease.job.subject
    store.write(lambda tx: tx.jobs.bury(lease, "it breaks", clock.now()))
    assert taken_back(world, account="eve")[1] == 2
    found = {name: store.read(lambda tx, n=name: tx.tickets.get(A, n)).status for name in ("waits", "dead")}
    assert found == {name: Status.FAILED if name == dead else Status.PENDING for name in found}


def test_a_ticket_with_an_effect_that_waits_for_a_person_needs_one_again(world) -> None:
    (one,) = world.tickets(1, 0, source=Source("jira", "IT-1"))
    now = world.clock.now()
    place = (A, one, "triage:1", "jira", "IT-1", {FIELD: LABELS[0]}, Cause(MODEL, revision=1))
    parked = Effect(*place, now, now, now, EffectState.PARKED)
    world.store.write(lambda tx: tx.outbox.add(parked))
    world.say(one, 2, "eve")
    plan, _ = taken_back(world, account="eve")
    assert [(each.desk, each.external_id, each.status) for each in plan.returns] == [
        ("jira", "IT-1", Status.NEEDS_HUMAN)
    ]
    assert world.store.read(lambda tx: tx.tickets.get(A, one)).status is Status.NEEDS_HUMAN


def test_an_account_is_held_by_hand(world) -> None:
    one, two = world.tickets(2, 0)
    world.say(one, 0, "eve")
    assert hold(world.store, world.clock, A, "eve", "root") is True
    assert hold(world.store, world.clock, A, "eve", "root") is False
    world.say(two, 0, "eve")
    world.say(two, 0, "ana")
    assert (world.told(one), world.told(two)) == ({}, {FIELD: LABELS[0]})
    assert [one.by for one in world.store.read(lambda tx: believed(tx, A, two))] == ["ana"]
    assert world.acts() == [("hold account", "eve", {})]
    assert world.store.read(lambda tx: trust_of(tx, B)) == {}
