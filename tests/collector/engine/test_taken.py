"""Some rows of a table: are they the same as if the others had never been there?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pe_collector.engine.addresses import Addresses
from pe_collector.engine.table import Column, encode, taken

VALUES = st.lists(st.sampled_from(["", "a", "b", "c", "d"]), min_size=1, max_size=20)
ADDRESSES = st.lists(
    st.one_of(
        st.sampled_from(["", "fe80::1", "no address"]),
        st.ip_addresses(v=4, network="10.10.0.0/20").map(str),
        st.ip_addresses(v=6, network="2001:db8::/120").map(str),
    ),
    min_size=1,
    max_size=20,
)


def some(values: Sequence[str], data: st.DataObject) -> list[int]:
    return data.draw(st.lists(st.integers(0, len(values) - 1), max_size=20))


@given(VALUES, st.data())
def test_a_column_keeps_what_these_rows_have(values: list[str], data: st.DataObject) -> None:
    rows = some(values, data)
    got = taken(Column(*encode(values)), np.array(rows, dtype=np.int64))
    codes, names = encode([values[row] for row in rows])
    assert (got.codes.tolist(), got.values) == (codes.tolist(), names)


@given(ADDRESSES, st.data())
def test_addresses_keep_what_these_rows_have(texts: list[str], data: st.DataObject) -> None:
    rows = some(texts, data)
    everything = Addresses.of(texts, ["10.10.1.0/24"])
    got = everything.taken(np.array(rows, dtype=np.int64)) if everything else None
    alone = Addresses.of([texts[row] for row in rows], ["10.10.1.0/24"])
    assert (got is None) == (alone is None)
    if got and alone:
        assert got.ranks.tolist() == alone.ranks.tolist()
        assert got.shared.tolist() == alone.shared.tolist()
        assert (got.numbers, got.subnets) == (alone.numbers, alone.subnets)
