"""Columns of one kind, to declare tables and views with.

Those named `key` make the primary key, those named `maybe` can be NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Float, Integer, LargeBinary, Text


def _columns(kind: type[Any], *, key: bool = False, null: bool = False) -> Callable[..., list[Column[Any]]]:
    return lambda *names: [Column(name, kind, primary_key=key, nullable=null) for name in names]


key_text = _columns(Text, key=True)
key_whole = _columns(Integer, key=True)
key_real = _columns(Float, key=True)
maybe_real = _columns(Float, null=True)
maybe_text = _columns(Text, null=True)
maybe_whole = _columns(Integer, null=True)
octets = _columns(LargeBinary)
real = _columns(Float)
text = _columns(Text)
whole = _columns(Integer)
