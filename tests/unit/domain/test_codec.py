"""A triage survives JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tamiz.domain.codec import triage_from_data, triage_to_data
from tamiz.domain.triage import Decision, Distribution, FieldTriage, Reason, Receipt, Triage, Writing

text = st.text(max_size=8)
number = st.floats(allow_nan=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
pairs = st.lists(st.tuples(text, number), max_size=3)
distributions = st.dictionaries(
    text,
    pairs.map(lambda some: Distribution(tuple(pair[0] for pair in some), tuple(pair[1] for pair in some))),
    max_size=2,
)
fields = st.builds(
    FieldTriage,
    st.none() | text,
    number,
    st.sampled_from(Decision),
    pairs.map(tuple),
    st.sampled_from(Reason),
)
writings = st.builds(Writing, text, text, distributions, number, text)
receipts = st.builds(
    Receipt,
    text,
    text,
    text,
    text,
    distributions,
    number,
    st.dictionaries(text, plain, max_size=2),
    st.none() | writings,
    eased=st.dictionaries(text, text, max_size=2),
    neighbours=st.lists(st.tuples(text, number), max_size=2).map(tuple),
)
triages = st.builds(
    Triage,
    text,
    text,
    text,
    st.dictionaries(text, fields, max_size=2),
    text,
    receipts,
    st.lists(text, max_size=2).map(tuple),
)


@given(triages)
def test_a_receipt_from_before_some_of_its_parts_is_read(triage: Triage) -> None:
    data = triage_to_data(triage)
    del data["receipt"]["eased"], data["receipt"]["neighbours"]
    receipt = triage_from_data(data).receipt
    assert (receipt.eased, receipt.neighbours) == ({}, ())


@given(triages)
def test_a_triage_comes_back_equal_from_json(triage: Triage) -> None:
    assert triage_from_data(json.loads(json.dumps(triage_to_data(triage)))) == triage
