"""The use cases over the store in memory: accepted once, triaged once, corrected for good, decided again alike."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from tamiz.domain.errors import (
    BadCorrectionError,
    ConflictError,
    ProviderUnavailableError,
    UnknownKeyError,
    UnknownTicketError,
)
from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.ports import Written
from tamiz.domain.records import Job, Lease, Role
from tamiz.domain.rules import Rule
from tamiz.domain.status import Status
from tamiz.domain.taxonomy import ABSTAIN, NONE
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Decision, Distribution, FieldTriage, Reason
from tamiz.domain.vectors import packed
from tamiz.jobs import LoopSettings, Worker
from tamiz.pipeline.cascade import Cascade, SummaryMode
from tamiz.service import keys
from tamiz.service.accept import ENRICH, TRIAGE, Submission, accept
from tamiz.service.judge import Judge
from tamiz.service.people import Feedback, correct, standing
from tamiz.service.rehearse import rehearse
from tamiz.service.replay import counterfactual, leading, replay
from tamiz.service.work import Triaging, buried
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore
from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.scripted_writer import ScriptedWriter
from tamiz.text import canonicalize

TAXONOMY = default_taxonomy()
TENANT = "default"
SURE = {f.name: (f.classes[0], 0.9) for f in TAXONOMY.predicted}
MESSAGE = RawMessage("VPN", "The VPN is down, call me at +34 600 123 456")


class House:
    """A service without sockets and threads: a store, a judge, and workers that take one step when told."""

    keep = 0

    def __init__(self, said=None, writer=None, **judge) -> None:
        self.store, self.clock, self.bits = MemoryStore(), ManualClock(), Random(1).getrandbits
        model = ScriptedModel(TAXONOMY, lambda text: said or SURE)
        cascade = Cascade(writer, summary=SummaryMode.LLM) if writer else Cascade()
        self.judge = Judge(model, Policy(), canonicalize, cascade, **judge)
        self.done = []

    def accept(self, message=MESSAGE, **more) -> str:
        return accept(self.store, self.clock, self.bits, Submission(message, **more)).result().ticket_id

    def handler(self, kind) -> Triaging:
        return Triaging(
            self.store,
            lambda tenant: self.judge,
            self.clock,
            self.bits,
            self.done.append,
            kind == ENRICH,
            self.keep,
        )

    def work(self, kind=TRIAGE) -> int:
        worker = Worker(
            self.store,
            {kind: self.handler(kind)},
            "w",
            self.clock,
            Random(0),
            LoopSettings(),
            lambda tx, lease: buried(tx, lease, self.clock),
        )
        return worker.step()

    def ticket(self, ticket_id, tenant=TENANT):
        return self.store.read(lambda tx: tx.tickets.get(tenant, ticket_id))

    def revision(self, ticket_id):
        return self.store.read(lambda tx: tx.tickets.revision(TENANT, ticket_id))


def open_field(name: str):
    return {**SURE, name: (TAXONOMY.field(name).classes[0], 0.1 + 1 / len(TAXONOMY.field(name).classes))}


def test_a_ticket_is_accepted_and_triaged_once() -> None:
    house = House()
    ticket_id = house.accept(actor="key-1")
    assert house.ticket(ticket_id).status is Status.PENDING
    assert house.work() == 1
    assert house.work() == 0
    record = house.ticket(ticket_id)
    assert (record.status, record.revision) == (Status.BY_AI, 1)
    assert "600 123 456" not in record.body
    acts = [(e.actor, e.act) for e in house.store.read(lambda tx: tx.audit.after(TENANT))]
    assert acts == [("key-1", "accept"), ("worker", "triage")]
    assert [done.record.id for done in house.done] == [ticket_id]


def test_an_erased_ticket_takes_no_other_of_its_batch_with_it() -> None:
    house = House()
    ticket_id = house.accept()
    now = house.clock.now()
    [lease] = house.store.write(lambda tx: tx.jobs.lease([TRIAGE], "w", 9, now, now + timedelta(seconds=60)))
    gone = Lease(Job("erased", TENANT, TRIAGE, "erased", now), "w", 1, lease.expires)
    house.handler(TRIAGE)([gone, lease])
    assert house.ticket(ticket_id).status is Status.BY_AI
    assert [done.record.id for done in house.done] == [ticket_id]


@pytest.mark.parametrize(("body", "same"), [("one", True), ("two", False)])
def test_an_idempotency_key_gets_the_same_ticket_or_is_refused(body, same) -> None:
    house = House()
    first = house.accept(RawMessage("", "one"), key="k")
    if same:
        assert house.accept(RawMessage("", body), key="k") == first
    else:
        with pytest.raises(ConflictError):
            house.accept(RawMessage("", body), key="k")
    assert house.accept(RawMessage("", body), key="k", tenant="other") != first
    assert house.accept(RawMessage("", body)) != first


@pytest.mark.parametrize(("keep", "held"), [(0, 0), (1, 1), (9, 2)])
def test_embeddings_are_kept_as_the_settings_want(keep, held) -> None:
    house = House()
    house.keep, house.judge.model.embedding = keep, lambda text: (0.6, 0.8)
    for _ in range(2):
        house.accept()
    house.work()
    found = house.store.read(lambda tx: tx.vectors.after(TENANT, "0" * 16))
    assert [one.data for one in found] == [packed([0.6, 0.8])] * held


def test_a_second_triage_by_the_same_model_counts_no_embedding_twice() -> None:
    house = House(open_field("urgency"), ScriptedWriter(TAXONOMY, lambda question: Written({}, 0.0, "VPN")))
    house.keep, house.judge.model.embedding = 9, lambda text: (0.6, 0.8)
    ticket_id = house.accept()
    assert (house.work(), house.work(ENRICH), house.revision(ticket_id).number) == (1, 1, 2)
    found = house.store.read(lambda tx: tx.vectors.after(TENANT, "0" * 16))
    assert [(one.ticket_id, one.sequence) for one in found] == [(ticket_id, 1)]


def test_another_models_triage_gives_a_vector_in_that_models_space() -> None:
    house = House(open_field("urgency"), ScriptedWriter(TAXONOMY, lambda question: Written({}, 0.0, "VPN")))
    house.keep, house.judge.model.embedding = 9, lambda text: (0.6, 0.8)
    ticket_id = house.accept()
    house.work()
    house.judge = replace(house.judge, model=Renamed(TAXONOMY, house.judge.model.script))
    house.judge.model.embedding = lambda text: (0.0, 1.0)
    house.work(ENRICH)
    assert house.revision(ticket_id).triage.receipt.model_hash == "1" * 16
    found = [house.store.read(lambda tx, h=h: tx.vectors.of(TENANT, h * 16, ticket_id)) for h in "01"]
    assert found == [packed([0.6, 0.8]), packed([0.0, 1.0])]


class Renamed(ScriptedModel):
    """The scripted model under another hash."""

    @property
    def info(self):
        return replace(super().info, content_hash="1" * 16)


def test_an_open_required_field_needs_a_person() -> None:
    house = House(open_field("category"))
    ticket_id = house.accept()
    house.work()
    assert house.ticket(ticket_id).status is Status.NEEDS_HUMAN


def test_a_language_model_works_in_a_lane_of_its_own_and_writes_a_new_revision() -> None:
    label = TAXONOMY.field("urgency").classes[0]
    told = {"urgency": Distribution(TAXONOMY.field("urgency").classes, (0.9, 0.05, 0.05))}
    writer = ScriptedWriter(TAXONOMY, lambda question: Written(told, 0.0, "VPN is down"))
    house = House(open_field("urgency"), writer)
    ticket_id = house.accept()
    house.work()
    assert not writer.asked
    assert house.work(ENRICH) == 1
    record, revision = house.ticket(ticket_id), house.revision(ticket_id)
    assert (record.revision, revision.triage.summary_source) == (2, "llm")
    assert revision.triage.fields["urgency"].value == label
    assert house.work(ENRICH) == 0


def test_a_failing_language_model_leaves_what_the_encoder_said() -> None:
    def silent(question):
        raise ProviderUnavailableError(provider="p", reason="away")

    house = House(open_field("urgency"), ScriptedWriter(TAXONOMY, silent))
    ticket_id = house.accept()
    house.work()
    house.work(ENRICH)
    revision = house.revision(ticket_id)
    assert revision.triage.receipt.writer.failure
    assert revision.triage.fields["urgency"].value == ABSTAIN


def test_a_persons_word_stands_over_later_triages() -> None:
    writer = ScriptedWriter(TAXONOMY, lambda question: Written({}, 0.0, "VPN is down"))
    house = House(writer=writer)
    ticket_id = house.accept()
    house.work()
    feedback = Feedback(TENANT, ticket_id, {"category": "Access", "subcategory": "Permissions"}, "ana")
    found = correct(house.store, house.clock, TAXONOMY, feedback)
    assert found.record.status is Status.CORRECTED
    assert found.wrong == {"category": True, "subcategory": True}
    house.work(ENRICH)
    assert house.ticket(ticket_id).status is Status.CORRECTED
    corrected = house.store.read(lambda tx: tx.tickets.corrected(TENANT, ticket_id))
    values = standing(TAXONOMY, house.revision(ticket_id), corrected)
    assert (values["category"], values["subcategory"]) == ("Access", "Permissions")


@pytest.mark.parametrize(
    ("corrected", "follows"),
    [
        (
            {"urgency": "Low", "impact": "Low"},
            {"priority": TAXONOMY.field("priority").matrix.at("Low", "Low")},
        ),
        ({"urgency": ABSTAIN, "priority": "Medium"}, {"priority": "Medium"}),
        ({"category": "Access"}, {"subcategory": ABSTAIN}),
    ],
)
def test_what_rests_on_a_corrected_value_follows_it(corrected, follows) -> None:
    hardware = {"category": ("Hardware", 0.9), "subcategory": ("Physical Security", 0.9)}
    house = House({**SURE, **hardware})
    ticket_id = house.accept()
    house.work()
    values = standing(TAXONOMY, house.revision(ticket_id), corrected)
    assert {name: values[name] for name in follows} == follows


@pytest.mark.parametrize(
    ("values", "mistake"),
    [
        ({}, "no field"),
        ({"colour": "red"}, "no field 'colour'"),
        ({"category": "Red"}, "'Red' is no value"),
        ({"category": None}, "'None' is no value"),
        ({"category": ABSTAIN}, "is no value"),
        ({"category": "Access", "subcategory": "Malware"}, "below category 'Access'"),
        ({"urgency": "Low", "impact": "Low", "priority": "Critical"}, "with impact 'Low' and urgency 'Low'"),
    ],
)
def test_a_wrong_correction_is_refused_and_changes_nothing(values, mistake) -> None:
    house = House()
    ticket_id = house.accept()
    house.work()
    before = house.ticket(ticket_id)
    with pytest.raises(BadCorrectionError) as error:
        correct(house.store, house.clock, TAXONOMY, Feedback(TENANT, ticket_id, values, "ana"))
    assert mistake in str(error.value)
    assert house.ticket(ticket_id) == before


def test_a_correction_of_an_older_version_or_of_anothers_ticket_is_refused() -> None:
    house = House()
    ticket_id = house.accept()
    feedback = Feedback(TENANT, ticket_id, {"category": "Access"}, "ana", version=7)
    with pytest.raises(ConflictError):
        correct(house.store, house.clock, TAXONOMY, feedback)
    with pytest.raises(UnknownTicketError):
        correct(house.store, house.clock, TAXONOMY, replace(feedback, tenant="other"))


def test_a_job_that_dies_leaves_a_failed_ticket_that_people_see() -> None:
    def broken(text):
        raise ValueError("what the model read is nobody's business")

    house = House()
    house.judge = replace(house.judge, model=ScriptedModel(TAXONOMY, broken))
    ticket_id = house.accept()
    for _ in range(12):
        house.work()
        house.clock.pause(3600.0)
    assert house.ticket(ticket_id).status is Status.FAILED
    (dead,) = house.store.read(lambda tx: tx.jobs.dead(TENANT))
    assert "nobody" not in dead.reason


def test_a_decision_is_decided_again_alike() -> None:
    said = {**open_field("urgency"), "impact": ("Low", 0.9)}
    house = House(said, rules=(Rule("vpn", ("vpn",), at_least={"impact": "High"}),))
    ticket_id = house.accept()
    house.work()
    found = replay(house.store, house.judge, TENANT, ticket_id)
    assert found.same
    assert found.distance == 0.0
    assert found.fields["impact"].reason is Reason.RULE
    with pytest.raises(UnknownTicketError):
        replay(house.store, house.judge, "other", ticket_id)


@pytest.mark.parametrize(
    ("policy", "score", "decision", "line"),
    [
        (FieldPolicy(apply_at=0.78), 0.6, Decision.RECOMMEND, "would be applied at 0.78"),
        (FieldPolicy(), 0.6, Decision.RECOMMEND, "not earned yet"),
        (FieldPolicy(mode=Decision.RECOMMEND), 0.6, Decision.RECOMMEND, "its mode is recommend"),
        (FieldPolicy(apply_at=0.5), 0.6, Decision.REVIEW, "sure enough, but models_disagree"),
        (FieldPolicy(apply_at=0.5), 0.6, Decision.APPLY, ""),
    ],
)
def test_what_a_field_would_have_needed_is_said_in_a_line(policy, score, decision, line) -> None:
    outcome = FieldTriage("x", score, decision, (("x", score),), Reason.DISAGREEMENT)
    assert line in counterfactual(outcome, policy)


def test_keys_are_made_once_shown_once_and_revoked() -> None:
    house = House()
    first = keys.first(house.store, house.clock, house.bits)
    assert first.startswith("tz_")
    assert keys.first(house.store, house.clock, house.bits) == ""
    key, kept = keys.create(house.store, house.clock, house.bits, TENANT, "desk", Role.SUBMIT, "ana")
    assert kept.digest == hashlib.sha256(key.encode()).hexdigest()
    keys.revoke(house.store, house.clock, TENANT, kept.id, "ana")
    for tenant, key_id in ((TENANT, kept.id), ("other", kept.id), (TENANT, "none")):
        with pytest.raises(UnknownKeyError):
            keys.revoke(house.store, house.clock, tenant, key_id, "ana")
    told = repr(house.store.read(lambda tx: tx.audit.after(TENANT)))
    assert key not in told


def test_who_asks_stays_with_the_raw_text_and_makes_a_request_another_one() -> None:
    vip = Rule("VIP", requester=("eva@example.org",), at_least={"urgency": "High"})
    house = House({**SURE, "urgency": ("Low", 0.9)}, rules=(vip,))
    asked = replace(MESSAGE, requester="eva@example.org")
    ticket_id = house.accept(asked, key="k")
    house.work()
    assert house.revision(ticket_id).triage.fields["urgency"].value == "High"
    seen = [
        house.ticket(ticket_id),
        house.revision(ticket_id),
        house.store.read(lambda tx: tx.audit.after(TENANT)),
    ]
    assert "eva" not in repr(seen)
    assert "eva" not in repr(asked)
    with pytest.raises(ConflictError):
        house.accept(MESSAGE, key="k")
    assert Submission(MESSAGE).digest == Submission(replace(MESSAGE, requester="")).digest


def test_the_parts_of_the_work_are_timed() -> None:
    house = House()

    def slow(text):
        house.clock.pause(0.25)
        return SURE

    house.judge = replace(house.judge, model=ScriptedModel(TAXONOMY, slow))
    house.accept(RawMessage("", "one"))
    ticket_id = house.accept(RawMessage("", "two"))
    house.work()
    assert house.revision(ticket_id).timings_ms == {
        "triage": 250.0,
        "canonicalize": 0.0,
        "recall": 0.0,
        "predict": 250.0,
        "remember": 0.0,
        "decide": 0.0,
    }


def test_another_policy_is_rehearsed_on_stored_receipts_and_nothing_is_kept() -> None:
    house = House({**SURE, "urgency": ("Low", 0.9)})
    vip = house.accept(replace(MESSAGE, requester="eva@example.org"))
    other = house.accept(RawMessage("Mouse", "is broken"))
    house.work()
    waiting = house.accept(RawMessage("Printer", "jams"))
    before = house.ticket(vip), house.revision(vip)
    rules = (
        Rule("VIP", requester=("eva@example.org",), at_least={"urgency": "High"}),
        Rule("mouse", ("mouse",), review=("category",)),
    )
    calls = len(house.judge.model.calls)
    found = rehearse(house.store, replace(house.judge, rules=rules), TENANT, 100)
    assert (found.tickets, found.skipped) == (2, 1)
    told = {(one.ticket_id, one.field): one.after.value for one in found.changes}
    assert told[vip, "urgency"] == "High"
    assert told[other, "category"] == ABSTAIN
    assert waiting not in {one.ticket_id for one in found.changes}
    assert (house.ticket(vip), house.revision(vip)) == before
    assert len(house.judge.model.calls) == calls
    assert rehearse(house.store, house.judge, TENANT, 100).changes == ()


def test_a_rehearsal_goes_page_by_page_and_stops_at_its_limit() -> None:
    house = House()
    for number in range(120):
        house.accept(RawMessage("", f"ticket {number}"))
    while house.work():
        pass
    assert rehearse(house.store, house.judge, TENANT, 70).tickets == 70
    assert rehearse(house.store, house.judge, TENANT, 1000).tickets == 120


def test_a_field_in_shadow_is_said_to_be_applied_outside_of_it() -> None:
    outcome = FieldTriage("x", 0.9, Decision.RECOMMEND, (("x", 0.9),), Reason.SHADOW)
    assert counterfactual(outcome, FieldPolicy()) == "would be applied outside shadow mode"


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (FieldTriage("High", 0.2, Decision.RECOMMEND, (("Low", 0.7), ("High", 0.2))), "High"),
        (FieldTriage(ABSTAIN, 0.2, Decision.REVIEW, (("Low", 0.7), ("High", 0.2))), "High"),
        (FieldTriage(ABSTAIN, 0.3, Decision.REVIEW, (("Low", 0.7),)), "Low"),
        (FieldTriage(None, 0.9, Decision.RECOMMEND, (("VPN", 0.1),)), NONE),
    ],
)
def test_the_label_that_was_decided_upon_need_not_be_the_likeliest(outcome, label) -> None:
    assert leading(outcome)[0] == label
