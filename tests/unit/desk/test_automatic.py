"""Whatever is triaged again, enriched, ruled and pushed, in any order: no severity is lowered by itself, and no value of a
person is overwritten, neither here nor at the desk."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.ports import Written
from tamiz.domain.records import Job
from tamiz.domain.rules import Rule
from tamiz.domain.ticket import uuid7
from tamiz.domain.triage import Decision, Distribution
from tamiz.jobs import LoopSettings, Worker
from tamiz.pipeline.cascade import Cascade
from tamiz.service.accept import ENRICH, TRIAGE
from tamiz.service.judge import Judge
from tamiz.service.people import Feedback, correct, standing
from tamiz.service.push_plan import Planning
from tamiz.service.work import Triaging
from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.scripted_writer import ScriptedWriter
from tamiz.text import canonicalize

from .rig import TAXONOMY, TENANT, Rig

LEVELS = TAXONOMY.field("urgency").keys
SEVERITY = ("urgency", "impact", "priority")
EARNED = Policy({f.name: FieldPolicy(apply_at=0.8) for f in TAXONOMY.choices})
POLICIES = (EARNED, EARNED.with_modes({"impact": "recommend"}), Policy(EARNED.fields, shadow=True))
RULES = ((), (Rule("up", at_least={"urgency": "High"}),), (Rule("vpn", ("vpn",), review=("impact",)),))
SURE = {f.name: (f.classes[0], 0.95) for f in TAXONOMY.predicted} | {"subcategory": ("Other", 0.95)}

levels, severities = st.sampled_from(LEVELS), st.sampled_from(("urgency", "impact"))
surely = st.sampled_from((0.95, 0.4))
acts = st.one_of(
    st.tuples(
        st.just("triage"),
        levels,
        surely,
        levels,
        surely,
        st.sampled_from(POLICIES),
        st.sampled_from(RULES),
    ),
    st.tuples(st.just("enrich"), levels),
    st.tuples(st.just("correct"), severities, levels),
    st.tuples(st.just("edit"), severities, levels),
)


class Desk(Rig):
    """The desk rig with real triages: a model and a language model that say what they are told to say."""

    def live(self) -> Desk:
        self.open()
        self.corrected: dict[str, str] = {}
        self.edited: dict[str, str] = {}
        self.highest: dict[str, str] = {}
        return self

    def triages(self, kind, model_says=SURE, policy=EARNED, rules=(), writer_says="High") -> None:
        def script(question):
            told = {name: self._certain(name, writer_says) for name in question.fields}
            return Written(told)

        model = ScriptedModel(TAXONOMY, lambda text: model_says)
        cascade = Cascade(ScriptedWriter(TAXONOMY, script))
        judge = Judge(model, policy, canonicalize, cascade, rules)
        planning = Planning(self.seat, lambda tenant: TAXONOMY, self.clock, self.random.getrandbits)
        handler = Triaging(
            self.store,
            lambda tenant: judge,
            self.clock,
            self.random.getrandbits,
            enrich=kind == ENRICH,
            saved=planning,
        )
        now = self.clock.now()
        job = Job(uuid7(now, self.random.getrandbits(74)), TENANT, kind, "IT-1", now)
        self.store.write(lambda tx: tx.jobs.add(job))
        worker = Worker(
            self.store, {kind: handler}, "w", self.clock, Random(0), LoopSettings(), lambda tx, lease: None
        )
        assert worker.step()
        self.said = model_says

    def _certain(self, name, label):
        classes = TAXONOMY.field(name).classes
        best = label if label in classes else classes[0]
        return Distribution(classes, tuple(0.98 if c == best else 0.02 / (len(classes) - 1) for c in classes))

    def act(self, what, *how) -> None:
        if what == "triage":
            urgency, sure, impact, as_sure, policy, rules = how
            said = {**SURE, "urgency": (urgency, sure), "impact": (impact, as_sure)}
            self.triages(TRIAGE, said, policy, rules)
        elif what == "enrich":
            self.triages(ENRICH, {**SURE, "urgency": (how[0], 0.4)}, writer_says=how[0])
        elif what == "correct":
            correct(self.store, self.clock, TAXONOMY, Feedback(TENANT, "IT-1", dict([how]), "ana"))
            self.corrected |= dict([how])
        else:
            changed = self.shown(how[0]) != how[1]  # to write the same value again says nothing to a desk
            self.desk.edit("IT-1", dict([how]))
            self.edited |= dict([how]) if changed else {}
        before = {name: self.shown(name) for name in SEVERITY}
        self.run(40_000.0, tick=600.0)
        self.nothing_was_lowered_at_the_desk(before)

    def nothing_was_lowered_at_the_desk(self, before) -> None:
        for name in SEVERITY:
            keys = TAXONOMY.field(name).keys
            if before[name] is not None:
                assert keys.index(self.shown(name)) <= keys.index(before[name])

    def people_stand(self) -> None:
        told = self.store.read(lambda tx: tx.tickets.corrected(TENANT, "IT-1"))
        revision = self.store.read(lambda tx: tx.tickets.revision(TENANT, "IT-1"))
        values = standing(TAXONOMY, revision, told)
        assert {name: values[name] for name in self.corrected} == self.corrected
        assert {name: self.shown(name) for name in self.edited} == self.edited

    def no_triage_lowered_what_one_applied(self) -> None:
        revision = self.store.read(lambda tx: tx.tickets.revision(TENANT, "IT-1"))
        for name in SEVERITY if revision is not None else ():
            keys, outcome = TAXONOMY.field(name).keys, revision.triage.fields[name]
            if outcome.value in keys:
                highest = self.highest.get(name, keys[-1])
                assert keys.index(outcome.value) <= keys.index(highest)
                if outcome.decision is Decision.APPLY:
                    self.highest[name] = outcome.value


@settings(max_examples=150, deadline=None)
@given(st.lists(acts, min_size=1, max_size=8))
def test_nothing_automatic_lowers_a_severity_or_overwrites_a_person(sequence) -> None:
    house = Desk().live()
    note(repr(sequence))
    for what, *how in sequence:
        house.act(what, *how)
        house.people_stand()
        house.no_triage_lowered_what_one_applied()


@pytest.mark.parametrize("between", [0, 1, 3])
def test_a_severity_that_was_applied_long_ago_still_holds(between) -> None:
    house = Desk().live()
    house.act("triage", "High", 0.95, "High", 0.95, EARNED, ())
    for _ in range(between):
        house.act("triage", "Low", 0.4, "Low", 0.4, EARNED, ())
    house.act("triage", "Low", 0.95, "Low", 0.95, EARNED, ())
    revision = house.store.read(lambda tx: tx.tickets.revision(TENANT, "IT-1"))
    assert revision.triage.fields["urgency"].decision is Decision.REVIEW
    assert house.shown("urgency") == "High"
