"""What does it cost to say a condition? Minus the log of how likely it is before any boot is seen."""

from __future__ import annotations

from collections.abc import Collection
from math import log

from pe_collector.engine.addresses import PrefixRange
from pe_collector.engine.ground import PREFIX, Condition, Ground, Item
from pe_collector.engine.nodes import Node
from pe_collector.engine.priors import ITEM_COST, LIKELY_GAIN, UNLIKELY_COST, Priors

# A prefix that no machine reports as its subnet could have had any of about as many lengths.
_UNREPORTED_COST = 1.0


class Costs:
    """Costs of the items of one table for one node."""

    def __init__(self, ground: Ground, priors: Priors, node: Node) -> None:
        self._ground = ground
        self._stages = {_stage_name(ground.stages.of(signature), ground) for signature in node.signatures}
        self._of_class = ground.stages.class_cost if len(node.signatures) > 1 else 0.0
        self._of: dict[str, float] = {}
        self._priors = priors

    def of_attribute(self, name: str) -> float:
        """Cost of one value of an attribute that is no prefix."""
        if name not in self._of:
            values = max(2, len(self._ground.table.columns[name].values))
            self._of[name] = log(values) + ITEM_COST + _penalty(self._priors, name, self._stages)
        return self._of[name]

    def of_prefix(self, stretch: PrefixRange) -> float:
        """A deeper prefix is one of more; one that machines report as their subnet costs a little less."""
        addresses = self._ground.table.addresses
        reported = addresses is not None and bool(addresses.subnets) and addresses.reported_in(stretch) is not None
        return log(max(2, stretch.blocks)) + ITEM_COST + (0.0 if reported else _UNREPORTED_COST)

    def of_item(self, item: Item) -> float:
        """Cost of one item."""
        if item.attribute == PREFIX:
            return self.of_prefix(self._ground.prefixes[item.low, item.high])
        return self.of_attribute(item.attribute)

    def of(self, condition: Condition) -> float:
        """Cost of a conjunction."""
        return self._of_class + sum(self.of_item(item) for item in condition)


def _penalty(priors: Priors, attribute: str, stages: Collection[str]) -> float:
    if all(priors.likely(attribute, stage) for stage in stages):
        return -LIKELY_GAIN
    return UNLIKELY_COST if all(priors.unlikely(attribute, stage) for stage in stages) else 0.0


def _stage_name(place: int, ground: Ground) -> str:
    names = ground.stages.names
    return names[place] if place < len(names) else ""
