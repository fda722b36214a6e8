"""Are facts in the tables the JSON that json would make of them?"""

import json
import math

from hypothesis import given
from hypothesis import strategies as st
from pe_collector.store.rows import file_frame
from pe_protos.v1 import report_pb2 as pb

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KINDS = {
    "text": TEXTS,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(),
    "flag": st.booleans(),
}
FACTS = st.dictionaries(TEXTS, st.one_of(st.tuples(st.just(kind), values) for kind, values in KINDS.items()))


@given(FACTS)
def test_facts_are_the_json_that_json_makes(told):
    observation = pb.Observation(probe="p")
    for name, (kind, value) in told.items():
        observation.facts[name].MergeFrom(pb.Value(**{kind: value}))
    frame = pb.Frame(sequence=1, observation=observation)
    kept = {n: v for n, (kind, v) in sorted(told.items()) if kind != "real" or math.isfinite(v)}
    assert file_frame("r", frame, frame.SerializeToString()).row[-1] == json.dumps(kept)
