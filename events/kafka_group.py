"""The group of a Kafka source: its name, where it begins and how its partitions are dealt out."""

from typing import Any

from events import fields


class Group(fields.Fields, frozen=True, kw_only=True):
    """`oldest` counts only while neither we nor the group have been there."""

    group_name: str = ""
    oldest: bool = False
    rebalance_strategy: str = ""


def options(group: Group | None) -> dict[str, Any]:
    """The client's. A strategy that is not known is `range`, as upstream has it."""
    if group is None:
        return {}
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

    strategies = {
        "roundrobin": RoundRobinPartitionAssignor,
        "sticky": StickyPartitionAssignor,
    }
    strategy = strategies.get(group.rebalance_strategy, RangePartitionAssignor)
    return {"group_id": group.group_name, "partition_assignment_strategy": [strategy]}
