"""What every Store promises, over each of its back ends."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tamiz.domain.chain import verify
from tamiz.domain.errors import (
    ConflictError,
    DuplicateError,
    LeaseLostError,
    StoreError,
    StoreUnavailableError,
    TransitionError,
    UnknownTicketError,
)
from tamiz.domain.records import (
    ApiKey,
    AuditEntry,
    Correction,
    Job,
    QueueState,
    Revision,
    Role,
    TicketQuery,
)
from tamiz.domain.status import Status
from tamiz.domain.storage import Store, Tx
from tamiz.domain.ticket import CanonicalText, RawMessage, Source, Ticket
from tamiz.domain.triage import Decision, Distribution, FieldTriage, Reason, Receipt, Triage, Writing

T0 = datetime(2025, 3, 30, 0, 59, 59, 999_999, tzinfo=UTC)
SECOND = timedelta(seconds=1)
A, B = "acme", "bolt"


_numbers = count()


def ticket(name: str = "", tenant: str = A, at: datetime = T0, **source: str) -> Ticket:
    name = name or f"ticket-{next(_numbers)}"
    return Ticket(name, RawMessage(f"Subject of {name}", "Body"), at, tenant, Source(**source))


def job(name: str, kind: str = "triage", due: datetime = T0, lane: int = 0, tenant: str = A) -> Job:
    return Job(name, tenant, kind, f"subject of {name}", due, lane)


def entry(subject: str, tenant: str = A) -> AuditEntry:
    return AuditEntry(
        tenant, T0, "key-1", "ticket.submitted", subject, {"field": "categoría", "desk": "jira"}
    )


def triage(ticket_id: str, summary: str = "VPN drops") -> Triage:
    distribution = Distribution(("network", "other"), (0.1 + 0.2, 1 - (0.1 + 0.2)))
    return Triage(
        ticket_id,
        summary,
        "extractive",
        {
            "category": FieldTriage("network", 1 / 3, Decision.APPLY, (("network", 1 / 3),)),
            "team": FieldTriage(None, 0.0, Decision.REVIEW, reason=Reason.RELATION),
        },
        "es",
        Receipt(
            "starter",
            "hash",
            "classes",
            "1",
            {"category": distribution},
            0.25,
            {"fields": {"category": {"apply_at": None, "by_label": {"network": 0.5}}}},
            Writing("llm", "hash", {"category": distribution}, 0.5, "timeout"),
        ),
        ("injection",),
    )


def revision(ticket_id: str, number: int, tenant: str = A, at: datetime = T0 + SECOND) -> Revision:
    return Revision(tenant, ticket_id, number, at, triage(ticket_id, f"no. {number}"), {"encode": 1.5})


def correction(ticket_id: str, value: str | None = "network", field: str = "category", tenant: str = A):
    return Correction(tenant, ticket_id, field, value, "other", "ana", T0 + 2 * SECOND, "ñ: seen before")


def add(store: Store, *tickets: Ticket) -> None:
    store.write(lambda tx: [tx.tickets.add(one) for one in tickets])


def together(threads: int, work: Callable[[int], object]) -> list[object]:
    """The results of calls that start at the same time."""
    gate = threading.Barrier(threads)

    def call(number: int) -> object:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, range(threads)))


# Tickets


@pytest.mark.parametrize(
    "message",
    [
        RawMessage("", ""),
        RawMessage("Correo caído ☎", "línea 1\r\nline 2\x00\ud800 end", "message/rfc822"),
        RawMessage("long", "no network " * 50_000),
    ],
    ids=["empty", "strange", "long"],
)
def test_raw_text_comes_back_as_it_was(store, message) -> None:
    one = replace(ticket("t", desk="jira", external_id="IT-1", version="7"), message=message)
    add(store, one)
    assert store.read(lambda tx: tx.tickets.raw([(A, "t")])) == [one]


def test_raw_texts_come_in_the_order_asked_for_without_unknown_ones(store) -> None:
    first, second, foreign = ticket(), ticket(), ticket(tenant=B)
    add(store, first, second, foreign)
    wanted = [(A, second.id), (A, "nobody"), (A, foreign.id), (B, foreign.id), (A, first.id)]
    assert store.read(lambda tx: tx.tickets.raw(wanted)) == [second, foreign, first]


def test_a_new_ticket_is_pending(store) -> None:
    one = ticket("t", desk="jira", external_id="IT-1", version="7")
    add(store, one)
    found = store.read(lambda tx: tx.tickets.get(A, "t"))
    assert (found.status, found.version, found.revision) == (Status.PENDING, 1, 0)
    assert (found.source, found.received_at, found.updated_at) == (one.source, T0, T0)
    assert (found.subject, found.body, found.language) == ("", "", "")
    assert store.read(lambda tx: tx.tickets.by_source(A, "jira", "IT-1")) == found


DOUBLES = [
    ("same key", ticket("n"), "key", True),
    ("same key, another tenant", ticket("n", tenant=B), "key", False),
    ("another key", ticket("n"), "other", False),
    ("no key", ticket("n"), "", False),
    ("same external id", ticket("n", desk="jira", external_id="IT-1"), "", True),
    (
        "same external id, another version",
        ticket("n", desk="jira", external_id="IT-1", version="2"),
        "",
        True,
    ),
    ("same external id of another desk", ticket("n", desk="zoho", external_id="IT-1"), "", False),
    ("same external id, another tenant", ticket("n", B, desk="jira", external_id="IT-1"), "", False),
    ("no external id", ticket("n", desk="jira"), "", False),
]


@pytest.mark.parametrize(
    "one, key, doubled", [case[1:] for case in DOUBLES], ids=[case[0] for case in DOUBLES]
)
def test_keys_and_external_ids_are_unique_per_tenant(store, one, key, doubled) -> None:
    first = ticket("t", desk="jira", external_id="IT-1")
    store.write(lambda tx: tx.tickets.add(first, "key", "digest"))
    store.write(lambda tx: tx.tickets.add(ticket(desk="jira"), "", "digest"))

    def work(tx: Tx) -> bool:
        try:
            tx.tickets.add(one, key, "digest 2")
        except DuplicateError:
            assert tx.tickets.by_key(A, "key") == ("t", "digest")  # the transaction can go on
            return True
        return False

    assert store.write(work) is doubled
    assert (store.read(lambda tx: tx.tickets.get(one.tenant, "n")) is None) is doubled
    assert store.read(lambda tx: tx.tickets.by_key(A, "")) is None
    assert store.read(lambda tx: tx.tickets.by_source(A, "jira", "")) is None


def test_one_key_from_fifty_threads_makes_one_ticket(store) -> None:
    def submit(number: int) -> str:
        def work(tx: Tx) -> str:
            found = tx.tickets.by_key(A, "key")
            if found:
                return found[0]
            tx.tickets.add(ticket(f"t{number}"), "key", "digest")
            tx.jobs.add(job(f"j{number}"))
            return f"t{number}"

        while True:
            try:
                return store.write(work)
            except DuplicateError:
                continue

    answers = set(together(50, submit))
    assert len(answers) == 1
    assert [one.id for one in store.read(lambda tx: tx.tickets.page(A, TicketQuery()))] == list(answers)
    assert store.read(lambda tx: tx.jobs.states()) == [QueueState("triage", 1, 0, 0, T0)]


def _shelf(store: Store) -> None:
    """Nine tickets a second apart, some at the same moment, on two desks and in three statuses."""
    for number in range(9):
        one = ticket(f"t{number}", at=T0 + SECOND * (number // 2), desk="jira" if number % 2 else "cli")
        add(store, one, replace(one, tenant=B))
        if number % 3:
            status = Status.FAILED if number % 3 == 1 else Status.NEEDS_HUMAN
            store.write(lambda tx, name=one.id, status=status: tx.tickets.move(A, name, status, T0))


PAGES = [
    (TicketQuery(), "876543210"),
    (TicketQuery(limit=3), "876"),
    (TicketQuery(after="t6", limit=3), "543"),
    (TicketQuery(after="t0"), ""),
    (TicketQuery(after="unknown"), ""),
    (TicketQuery(statuses=frozenset({Status.PENDING})), "630"),
    (TicketQuery(statuses=frozenset({Status.FAILED, Status.NEEDS_HUMAN}), limit=4), "8754"),
    (TicketQuery(statuses=frozenset({Status.BY_AI})), ""),
    (TicketQuery(desk="jira"), "7531"),
    (TicketQuery(desk="jira", after="t5"), "31"),
    (TicketQuery(desk="jira", statuses=frozenset({Status.FAILED})), "71"),
    (TicketQuery(since=T0 + SECOND, until=T0 + 3 * SECOND), "5432"),
]


def test_pages_are_newest_first(store) -> None:
    _shelf(store)
    for query, wanted in PAGES:
        found = store.read(lambda tx, query=query: tx.tickets.page(A, query))
        assert "".join(one.id[1:] for one in found) == wanted, query
        assert {one.tenant for one in found} <= {A}


def test_a_move_obeys_the_transition_table_and_counts_a_version(store) -> None:
    add(store, ticket("t"))
    moved = store.write(lambda tx: tx.tickets.move(A, "t", Status.FAILED, T0 + SECOND))
    assert (moved.status, moved.version, moved.updated_at) == (Status.FAILED, 2, T0 + SECOND)
    assert store.read(lambda tx: tx.tickets.get(A, "t")) == moved
    with pytest.raises(TransitionError):
        store.write(lambda tx: tx.tickets.move(A, "t", Status.BY_AI, T0))
    for tenant, name in ((B, "t"), (A, "nobody")):
        with pytest.raises(UnknownTicketError):
            store.write(lambda tx, at=(tenant, name): tx.tickets.move(*at, Status.PENDING, T0))


def test_a_saved_triage_comes_back_equal_and_moves_the_ticket(store) -> None:
    add(store, ticket("t"))
    text = CanonicalText("VPN\ncae", "VPN", "cae", language="es")
    saved = store.write(lambda tx: tx.tickets.save(revision("t", 1), Status.BY_AI, text))
    assert (saved.status, saved.version, saved.revision) == (Status.BY_AI, 2, 1)
    assert (saved.subject, saved.body, saved.language) == ("VPN", "cae", "es")
    again = store.write(lambda tx: tx.tickets.save(revision("t", 2), Status.NEEDS_HUMAN))
    assert again == replace(saved, status=Status.NEEDS_HUMAN, version=3, revision=2)
    assert store.read(lambda tx: tx.tickets.get(A, "t")) == again
    assert store.read(lambda tx: tx.tickets.raw([(A, "t")]))[0].version == 3
    for number, wanted in ((0, revision("t", 2)), (1, revision("t", 1)), (2, revision("t", 2)), (3, None)):
        assert store.read(lambda tx, n=number: tx.tickets.revision(A, "t", n)) == wanted
    assert store.read(lambda tx: tx.tickets.revision(B, "t")) is None
    assert store.read(lambda tx: tx.tickets.revision(A, "nobody")) is None


@pytest.mark.parametrize(
    "later, status, error",
    [
        (revision("t", 3), Status.BY_AI, ConflictError),
        (revision("t", 1), Status.BY_AI, ConflictError),
        (revision("t", 2), Status.FAILED, TransitionError),
        (revision("nobody", 1), Status.BY_AI, UnknownTicketError),
        (revision("t", 2, tenant=B), Status.BY_AI, UnknownTicketError),
    ],
)
def test_a_triage_out_of_turn_is_refused(store, later, status, error) -> None:
    add(store, ticket("t"))
    store.write(lambda tx: tx.tickets.save(revision("t", 1), Status.BY_AI))
    before = store.read(lambda tx: tx.tickets.get(A, "t"))
    with pytest.raises(error):
        store.write(lambda tx: tx.tickets.save(later, status))
    assert store.read(lambda tx: tx.tickets.get(A, "t")) == before
    assert store.read(lambda tx: tx.tickets.revision(A, "t")).number == 1


def test_a_corrected_ticket_keeps_its_status(store) -> None:
    add(store, ticket("t"))
    store.write(lambda tx: tx.tickets.correct(correction("t")))
    saved = store.write(lambda tx: tx.tickets.save(revision("t", 1), Status.BY_AI))
    assert (saved.status, saved.version, saved.revision) == (Status.CORRECTED, 3, 1)


def test_corrections_are_numbered_per_tenant_and_the_newest_word_counts(store) -> None:
    add(store, ticket("t"), ticket("u"), ticket("t", tenant=B))
    words = [
        correction("t"),
        correction("u", None),
        correction("t", "other"),
        correction("t", "high", "priority"),
    ]
    stored = [store.write(lambda tx, word=word: tx.tickets.correct(word)) for word in words]
    assert stored == [replace(word, sequence=n) for n, word in enumerate(words, start=1)]
    assert store.write(lambda tx: tx.tickets.correct(correction("t", tenant=B))).sequence == 1
    assert store.read(lambda tx: tx.tickets.corrections(A)) == stored
    assert store.read(lambda tx: tx.tickets.corrections(A, 1, 2)) == stored[1:3]
    assert store.read(lambda tx: tx.tickets.corrections(A, 4)) == []
    assert store.read(lambda tx: tx.tickets.corrections("nobody")) == []
    for tenant, name, wanted in [
        (A, "t", {"category": "other", "priority": "high"}),
        (A, "u", {"category": None}),
        (B, "t", {"category": "network"}),
        (B, "u", {}),
    ]:
        assert store.read(lambda tx, at=(tenant, name): tx.tickets.corrected(*at)) == wanted
    found = store.read(lambda tx: tx.tickets.get(A, "t"))
    assert (found.status, found.version, found.updated_at) == (Status.CORRECTED, 4, T0 + 2 * SECOND)
    with pytest.raises(UnknownTicketError):
        store.write(lambda tx: tx.tickets.correct(correction("u", tenant=B)))


def test_sequences_have_no_gaps_whatever_fails_meanwhile(store) -> None:
    add(store, *(ticket(f"t{n}") for n in range(8)))

    def correct(number: int) -> None:
        for turn in range(10):

            def work(tx: Tx, turn: int = turn) -> None:
                tx.tickets.correct(correction(f"t{number}", str(turn)))
                tx.audit.add(entry(f"t{number}"))
                if turn % 3 == 0:
                    raise ValueError(turn)

            if turn % 3 == 0:
                with pytest.raises(ValueError):
                    store.write(work)
            else:
                store.write(work)

    together(8, correct)
    found = store.read(lambda tx: tx.tickets.corrections(A))
    assert [one.sequence for one in found] == list(range(1, 8 * 6 + 1))
    entries = store.read(lambda tx: tx.audit.after(A))
    assert len(entries) == 8 * 6
    assert verify(entries) is None


def test_of_many_writers_that_saw_one_version_one_writes(store) -> None:
    add(store, *(ticket(f"t{turn}") for turn in range(20)))

    def attempt(name: str) -> bool:
        def work(tx: Tx) -> None:
            if tx.tickets.get(A, name).version != 1:
                raise ConflictError(what=f"ticket '{name}'", reason="another version")
            tx.tickets.correct(correction(name))

        try:
            store.write(work)
        except ConflictError:
            return False
        return True

    for turn in range(20):
        assert sum(together(8, lambda _, turn=turn: attempt(f"t{turn}"))) == 1
    assert [one.version for one in store.read(lambda tx: tx.tickets.page(A, TicketQuery()))] == [2] * 20


# Jobs


def lease(store: Store, limit: int = 10, now: datetime = T0, owner: str = "w", kinds=("triage",), span=60):
    end = now + span * SECOND
    return store.write(lambda tx: tx.jobs.lease(kinds, owner, limit, now, end))


def ids(leases) -> list[str]:
    return [one.job.id for one in leases]


def add_jobs(store: Store, *jobs: Job) -> None:
    store.write(lambda tx: [tx.jobs.add(one) for one in jobs])


def test_jobs_come_by_lane_then_age_when_they_are_due(store) -> None:
    add_jobs(
        store,
        job("later", due=T0 + SECOND),
        job("slow", lane=2, due=T0 - 9 * SECOND),
        job("young", due=T0),
        job("old", due=T0 - SECOND, tenant=B),
        job("push", kind="push", due=T0 - 2 * SECOND),
        job("other", kind="enrich", due=T0 - 2 * SECOND),
        job("late push", kind="push", lane=2),
    )
    assert ids(lease(store, kinds=("triage", "push"), limit=2)) == ["push", "old"]
    taken = lease(store, kinds={"triage", "push"})
    assert ids(taken) == ["young", "slow", "late push"]
    assert taken[0].job == job("young", due=T0)
    assert (taken[0].owner, taken[0].epoch, taken[0].expires) == ("w", 1, T0 + 60 * SECOND)
    assert (taken[0].failures, taken[0].crashes) == (0, 0)
    assert lease(store, kinds=()) == []
    assert lease(store) == []
    assert ids(lease(store, now=T0 + SECOND)) == ["later"]


def test_a_job_id_is_unique_per_tenant(store) -> None:
    add_jobs(store, job("j"), job("j", tenant=B))
    with pytest.raises(DuplicateError):
        add_jobs(store, job("j", kind="push"))


def test_each_job_is_leased_once_however_many_ask(store) -> None:
    names = [f"j{n:03}" for n in range(200)]
    add_jobs(store, *(job(name) for name in names))

    def work(number: int) -> list[str]:
        mine: list[str] = []
        while taken := lease(store, limit=7, owner=f"w{number}"):
            mine += ids(taken)
        return mine

    assert sorted(name for mine in together(4, work) for name in mine) == names


def test_an_expired_lease_is_taken_over_alone_with_a_crash_more(store) -> None:
    add_jobs(store, job("a"), job("b"), job("c", due=T0 + SECOND))
    assert ids(lease(store, limit=2, span=5)) == ["a", "b"]
    assert ids(lease(store, now=T0 + 5 * SECOND, kinds=("push",))) == []
    first, *none = lease(store, now=T0 + 6 * SECOND, owner="v", span=1)
    assert (first.job.id, first.crashes, first.failures, first.epoch, none) == ("a", 1, 0, 2, [])
    second, *none = lease(store, now=T0 + 6 * SECOND, owner="v")
    assert (second.job.id, second.crashes, none) == ("b", 1, [])
    assert [(one.job.id, one.crashes) for one in lease(store, now=T0 + 6 * SECOND)] == [("c", 0)]
    again = lease(store, now=T0 + 8 * SECOND)
    assert [(one.job.id, one.crashes, one.epoch) for one in again] == [("a", 2, 3)]


def test_a_lease_holds_up_to_its_last_moment(store) -> None:
    add_jobs(store, job("a"))
    lease(store, span=5)
    assert lease(store, now=T0 + 5 * SECOND) == []


ENDS = {
    "finish": lambda tx, held: tx.jobs.finish(held),
    "retry": lambda tx, held: tx.jobs.retry(held, T0, "timeout"),
    "release": lambda tx, held: tx.jobs.release(held),
    "bury": lambda tx, held: tx.jobs.bury(held, "poison", T0),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_late_result_is_refused(store, end) -> None:
    add_jobs(store, job("j"))
    [stale] = lease(store, span=5)
    [held] = lease(store, now=T0 + 6 * SECOND)
    refused = [
        stale,
        replace(stale, owner="v"),
        replace(held, owner="v"),
        replace(held, epoch=held.epoch + 1),
    ]
    refused += [replace(held, job=replace(held.job, tenant=B)), replace(held, job=replace(held.job, id="x"))]
    for late in refused:
        with pytest.raises(LeaseLostError):
            store.write(lambda tx, late=late: end(tx, late))
    assert store.write(lambda tx: tx.jobs.extend([*refused, held], T0 + 99 * SECOND)) == [
        replace(held, expires=T0 + 99 * SECOND)
    ]
    store.write(lambda tx: end(tx, held))
    with pytest.raises(LeaseLostError):
        store.write(lambda tx: end(tx, held))
    assert store.write(lambda tx: tx.jobs.extend([held], T0)) == []


def test_an_extended_lease_ends_later(store) -> None:
    add_jobs(store, job("j"))
    held = lease(store, span=5)
    store.write(lambda tx: tx.jobs.extend(held, T0 + 50 * SECOND))
    assert lease(store, now=T0 + 50 * SECOND) == []
    assert ids(lease(store, now=T0 + 51 * SECOND)) == ["j"]


def test_a_finished_job_is_gone(store) -> None:
    add_jobs(store, job("j"))
    [held] = lease(store)
    store.write(lambda tx: tx.jobs.finish(held))
    assert store.read(lambda tx: tx.jobs.states()) == []
    assert lease(store, now=T0 + 999 * SECOND) == []


def test_failures_releases_and_crashes_are_counted_apart(store) -> None:
    add_jobs(store, job("j"))
    [first] = lease(store)
    store.write(lambda tx: tx.jobs.release(first))
    [second] = lease(store)
    assert (second.job, second.failures, second.crashes, second.epoch) == (first.job, 0, 0, 2)
    store.write(lambda tx: tx.jobs.retry(second, T0 + 9 * SECOND, "timeout"))
    assert lease(store, now=T0 + 8 * SECOND) == []
    [third] = lease(store, now=T0 + 9 * SECOND, span=1)
    assert (third.job.due, third.failures, third.crashes) == (T0 + 9 * SECOND, 1, 0)
    [fourth] = lease(store, now=T0 + 11 * SECOND)
    assert (fourth.failures, fourth.crashes, fourth.epoch) == (1, 1, 4)


def test_dead_jobs_wait_for_a_person(store) -> None:
    add_jobs(store, job("a"), job("b"), job("c"), job("d", tenant=B))
    for one in lease(store)[1:]:
        store.write(
            lambda tx, one=one: tx.jobs.bury(one, f"why {one.job.id}", T0 + ord(one.job.id[0]) * SECOND)
        )
    dead = store.read(lambda tx: tx.jobs.dead(A))
    assert [(one.job, one.reason, one.failures, one.crashes) for one in dead] == [
        (job("c"), "why c", 0, 0),
        (job("b"), "why b", 0, 0),
    ]
    assert dead[0].at == T0 + ord("c") * SECOND
    assert len(store.read(lambda tx: tx.jobs.dead(A, 1))) == 1
    assert lease(store, now=T0 + 10 * SECOND) == []
    for tenant, name in ((B, "b"), (A, "a"), (A, "nobody")):
        assert store.write(lambda tx, at=(tenant, name): tx.jobs.revive(*at, T0)) is False
    assert store.write(lambda tx: tx.jobs.revive(A, "b", T0 + 20 * SECOND)) is True
    [revived] = lease(store, now=T0 + 20 * SECOND)
    assert (revived.job, revived.failures, revived.crashes) == (job("b", due=T0 + 20 * SECOND), 0, 0)
    assert revived.epoch == 2


def test_a_start_reclaims_the_leases_of_others(store) -> None:
    add_jobs(store, job("a"), job("b"), job("c"), job("d"))
    [mine] = lease(store, limit=1, owner="me")
    lease(store, limit=2, owner="gone")
    assert store.write(lambda tx: tx.jobs.reclaim("me")) == 2
    assert store.write(lambda tx: tx.jobs.reclaim("me")) == 0
    taken = [lease(store) for _ in range(3)]
    assert [(ids(some), some[0].crashes) for some in taken] == [(["b"], 1), (["c"], 1), (["d"], 0)]
    store.write(lambda tx: tx.jobs.finish(mine))


def test_the_queue_is_counted_by_kind(store) -> None:
    add_jobs(
        store,
        job("a", due=T0 - SECOND),
        job("b"),
        job("c"),
        job("p", kind="push", due=T0 + SECOND),
        job("q", kind="push", due=T0 + 2 * SECOND, tenant=B),
    )
    assert ids(lease(store, limit=1)) == ["a"]
    [b] = lease(store, limit=1)
    store.write(lambda tx: tx.jobs.bury(b, "poison", T0))
    assert store.read(lambda tx: tx.jobs.states()) == [
        QueueState("push", 2, 0, 0, T0 + SECOND),
        QueueState("triage", 1, 1, 1, T0),
    ]


def test_what_is_left_of_a_lane_is_counted(store) -> None:
    others = (job("x"), job("y", lane=2, tenant=B), job("z", kind="enrich", lane=2))
    add_jobs(store, job("a", lane=2), job("b", lane=2), job("c", lane=2, due=T0 + 9 * SECOND), *others)

    def left() -> int:
        return store.read(lambda tx: tx.jobs.left(A, "triage", 2))

    assert left() == 3
    _, _, held, dying = lease(store, limit=4)
    assert left() == 3
    store.write(lambda tx: tx.jobs.finish(held))
    store.write(lambda tx: tx.jobs.bury(dying, "poison", T0))
    assert left() == 2 if dying.job.tenant == B else left() == 1
    assert store.read(lambda tx: tx.jobs.left(B, "enrich", 2)) == 0


# Keys and the audit trail


def test_keys_are_found_by_digest_and_revoked_by_their_tenant_only(store) -> None:
    first = ApiKey("k1", A, "ci", Role.SUBMIT, "d1", T0)
    second = ApiKey("k2", A, "ana", Role.ADMIN, "d2", T0 + SECOND)
    third = ApiKey("k3", B, "bo", Role.READ, "d3", T0)
    store.write(lambda tx: [tx.keys.add(key) for key in (second, third, first)])
    assert store.read(lambda tx: tx.keys.all(A)) == [first, second]
    assert store.read(lambda tx: tx.keys.by_digest("d3")) == third
    assert store.read(lambda tx: tx.keys.by_digest("d4")) is None
    for tenant, key_id, wanted in ((B, "k1", False), (A, "k9", False), (A, "k1", True), (A, "k1", False)):
        revoked = store.write(lambda tx, at=(tenant, key_id): tx.keys.revoke(*at, T0 + 2 * SECOND))
        assert revoked is wanted
    assert store.read(lambda tx: tx.keys.by_digest("d1")) == replace(first, revoked_at=T0 + 2 * SECOND)
    with pytest.raises(DuplicateError):
        store.write(lambda tx: tx.keys.add(replace(first, id="k4")))


def test_the_audit_trail_is_a_chain_per_tenant(store) -> None:
    for number in range(5):
        store.write(lambda tx, n=number: [tx.audit.add(entry(f"s{n}", tenant)) for tenant in (A, B)])
    entries = store.read(lambda tx: tx.audit.after(A))
    assert [(one.number, one.subject) for one in entries] == [(n + 1, f"s{n}") for n in range(5)]
    assert replace(entries[0], number=0, chain="") == entry("s0")
    assert store.read(lambda tx: tx.audit.after(A, 2, 2)) == entries[2:4]
    assert verify(entries) is None
    assert verify(store.read(lambda tx: tx.audit.after(B))) is None
    assert store.read(lambda tx: tx.audit.after("nobody")) == []


# Transactions


def test_a_closure_that_raises_leaves_nothing_and_hurts_no_other(store) -> None:
    add(store, ticket("t"))
    add_jobs(store, job("j"))

    def fails(tx: Tx) -> None:
        tx.tickets.add(ticket("bad"), "bad key", "digest")
        tx.tickets.correct(correction("t"))
        tx.jobs.lease(("triage",), "w", 1, T0, T0 + SECOND)
        tx.jobs.add(job("bad"))
        tx.keys.add(ApiKey("k", A, "", Role.READ, "d", T0))
        tx.audit.add(entry("bad"))
        raise ZeroDivisionError

    def works(number: int) -> Callable[[Tx], int]:
        def work(tx: Tx) -> int:
            tx.tickets.add(ticket(f"good{number}"))
            return number

        return work

    futures = [store.submit(fails if number % 4 == 1 else works(number)) for number in range(40)]
    for number, future in enumerate(futures):
        if number % 4 == 1:
            assert isinstance(future.exception(), ZeroDivisionError)
        else:
            assert future.result() == number
    found = store.read(lambda tx: tx.tickets.page(A, TicketQuery(limit=100)))
    assert {one.id for one in found} == {"t"} | {f"good{n}" for n in range(40) if n % 4 != 1}
    assert store.read(lambda tx: tx.tickets.get(A, "t")).status is Status.PENDING
    assert store.read(lambda tx: (tx.tickets.by_key(A, "bad key"), tx.keys.by_digest("d"))) == (None, None)
    assert store.read(lambda tx: (tx.audit.after(A), tx.tickets.corrections(A))) == ([], [])
    assert ids(lease(store)) == ["j"]


def test_what_a_closure_wrote_it_sees(store) -> None:
    def work(tx: Tx) -> list[str]:
        tx.tickets.add(ticket("t"), "key", "digest")
        tx.jobs.add(job("j"))
        taken = tx.jobs.lease(("triage",), "w", 1, T0, T0 + SECOND)
        return [tx.tickets.get(A, "t").id, *tx.tickets.by_key(A, "key"), *ids(taken)]

    assert store.write(work) == ["t", "t", "digest", "j"]


def test_a_reader_sees_one_state(store) -> None:
    add(store, ticket("t"))
    threads = []

    def look(tx: Tx) -> tuple[int, int]:
        before = len(tx.tickets.page(A, TicketQuery()))
        threads.append(threading.Thread(target=add, args=(store, ticket("u"))))
        threads[0].start()
        threads[0].join(0.3)  # a store may let the writer wait for the reader
        return before, len(tx.tickets.page(A, TicketQuery()))

    assert store.read(look) == (1, 1)
    threads[0].join()
    assert store.read(lambda tx: len(tx.tickets.page(A, TicketQuery()))) == 2


def test_a_reader_cannot_write(store) -> None:
    with pytest.raises(StoreError):
        store.read(lambda tx: tx.tickets.add(ticket("t")))
    assert store.read(lambda tx: tx.tickets.get(A, "t")) is None


def test_closing_keeps_what_was_accepted_and_refuses_more(backend) -> None:
    store = backend.open()
    futures = [store.submit(lambda tx, n=n: tx.tickets.add(ticket(f"t{n}"))) for n in range(50)]
    store.close()
    assert [future.result(timeout=0) for future in futures] == [None] * 50
    for call in (store.submit, store.write, store.read):
        with pytest.raises(StoreUnavailableError):
            call(lambda tx: tx.jobs.states())
    if backend.durable:
        again = backend.open()
        assert len(again.read(lambda tx: tx.tickets.page(A, TicketQuery(limit=99)))) == 50
        again.close()
