"""The model while items are applied to it, one after the other: what it costs at any moment.

A pool costs the nodes that its pods need, the commitments that cannot be given back, and its slack: nodes that the
present pays for and does not need. Slack is given back by consolidating only, so that no other item is paid for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

import numpy as np

from cost.recommendations.packing import Packed, order, pack
from cost.recommendations.present import Load, Node, Present, grain

HOURS_PER_WEEK: Final = 168
_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What a pool costs: ``need`` of nodes that can be given back, ``fixed``, and ``slack`` that is left."""

    need: Decimal
    fixed: Decimal
    slack: Decimal
    used: int
    idle_committed: tuple[date, ...] = ()

    @property
    def monthly(self) -> Decimal:
        """All of it."""
        return self.need + self.fixed + self.slack


@dataclass(frozen=True, slots=True)
class Fleet:
    """A value: every change gives another one."""

    present: Present
    nodes: Mapping[str, tuple[Node, ...]]
    loads: Mapping[str, tuple[Load, ...]]
    off: Mapping[str, frozenset[int]]
    things: Mapping[str, Decimal]
    pools: Mapping[str, Pool]
    spot: Mapping[str, tuple[Load, ...]]
    spot_monthly: Mapping[str, Decimal]

    @classmethod
    def of(cls, present: Present) -> Fleet:
        """As it is."""
        names = sorted({node.pool for node in present.nodes})
        nodes = {name: tuple(order([node for node in present.nodes if node.pool == name])) for name in names}
        loads = {name: tuple(load for load in present.loads if load.pool == name) for name in names}
        things = {name: grain(monthly) for name, monthly in present.things.items()}
        fleet = cls(present, nodes, loads, {}, things, {}, {}, {})
        pools = {name: fleet._packed(name, slack=None) for name in names}
        return replace(fleet, pools=pools)

    @property
    def monthly(self) -> Decimal:
        """What all of it costs."""
        parts = [*(pool.monthly for pool in self.pools.values()), *self.things.values(), *self.spot_monthly.values()]
        return sum(parts, Decimal(0)) + grain(self.present.other)

    def without_thing(self, thing: str, monthly: Decimal | None) -> Fleet:
        """A volume or load balancer less, or a part of it."""
        has = self.things.get(thing, Decimal(0))
        left = Decimal(0) if monthly is None else max(Decimal(0), has - grain(monthly))
        return replace(self, things={**self.things, thing: left})

    def with_loads(self, changed: Mapping[str, tuple[Load, ...]], *, grows: bool = False) -> Fleet:
        """Other loads in some pools; what grows takes up slack, else a pool never costs more than before."""
        fleet = replace(self, loads={**self.loads, **changed})
        return fleet._again(changed, grows=grows)

    def switched_off(self, workload: str, hours: frozenset[int]) -> Fleet:
        """A workload that does not run in some hours of the week."""
        fleet = replace(self, off={**self.off, workload: self.off.get(workload, frozenset()) | hours})
        return fleet._again(
            name for name, loads in self.loads.items() if any(one.workload == workload for one in loads)
        )

    def consolidated(self, pool: str) -> Fleet:
        """A pool without its slack."""
        if pool not in self.pools:
            return self
        return replace(self, pools={**self.pools, pool: replace(self.pools[pool], slack=Decimal(0))})

    def on_spot(self, workload: str) -> Fleet:
        """A workload on spot nodes, where that is cheaper; else as it is."""
        fleet = self
        for name, loads in self.loads.items():
            mine = tuple(one for one in loads if one.workload == workload and not one.on_every_node)
            if mine and name in self.present.spot_ratio:
                fleet = fleet._moved(name, mine)
        return fleet

    def committed(self, machine: str, quantity: int, ratio: Decimal) -> Fleet:
        """So many of the machines that always run, at another price."""
        left, nodes, pools = quantity, dict(self.nodes), dict(self.pools)
        for name, pool in self.pools.items():
            always = self._always(name)
            saved, mine = Decimal(0), list(self.nodes[name])
            for at, node in enumerate(mine):
                may = left > 0 and node.machine == machine and node.committed_until is None and not node.is_spot
                if may and always[at]:
                    saved += grain(node.monthly) - grain(node.monthly * ratio)
                    mine[at] = replace(node, committed_until=date.max, monthly=grain(node.monthly * ratio))
                    left -= 1
            nodes[name], pools[name] = tuple(mine), replace(pool, need=max(Decimal(0), pool.need - saved))
        return replace(self, nodes=nodes, pools=pools)

    def _moved(self, name: str, mine: tuple[Load, ...]) -> Fleet:
        rest = tuple(one for one in self.loads[name] if one not in mine)
        spot = (*self.spot.get(name, ()), *mine)
        monthly = self._spot_cost(name, spot)
        if monthly is None:
            return self
        moved = self.with_loads({name: rest})
        moved = replace(moved, spot={**self.spot, name: spot}, spot_monthly={**self.spot_monthly, name: monthly})
        return moved if moved.monthly < self.monthly else self

    def _spot_cost(self, name: str, loads: tuple[Load, ...]) -> Decimal | None:
        """Of spot nodes like the pool's largest, with its DaemonSets; None where the pods do not fit onto such."""
        shape = max(self.nodes[name], key=lambda node: (node.cpu_millicores, node.memory_bytes, node.name))
        copies = [replace(shape, committed_until=None) for _ in range(sum(one.pods for one in loads))]
        every = tuple(one for one in self.loads[name] if one.on_every_node)
        found = pack(copies, [*loads, *every])
        if not found.fits:
            return None
        return int(found.used.sum()) * grain(shape.monthly * self.present.spot_ratio[name])

    def _again(self, names: Iterable[str], *, grows: bool = False) -> Fleet:
        pools = dict(self.pools)
        for name in names:
            last, now = self.pools[name], self._packed(name, slack=self.pools[name].slack)
            if now.need <= last.need:
                pools[name] = now
            elif grows:
                pools[name] = replace(now, slack=max(Decimal(0), last.slack - (now.need - last.need)))
            else:
                # First-fit is no minimum: with less to pack it may need a node more. Nobody would add one for that.
                pools[name] = replace(last, idle_committed=now.idle_committed)
        return replace(self, pools=pools)

    def _packed(self, name: str, *, slack: Decimal | None) -> Pool:
        nodes = self.nodes[name]
        whole = sum((grain(node.monthly) for node in nodes), Decimal(0))
        fixed = sum((grain(node.monthly) for node in nodes if node.committed_until is not None), Decimal(0))
        need, used, idle = Decimal(0), 0, tuple[date, ...]()
        for off, hours in self._phases(name).items():
            mask = self._used(name, off)
            if mask is None:
                mask = np.ones(len(nodes), dtype=bool)
            cost = sum((grain(node.monthly) for node, kept in zip(nodes, mask, strict=True)
                        if kept and node.committed_until is None), Decimal(0))  # fmt: skip
            need += cost * hours / HOURS_PER_WEEK
            if off == _NOBODY:
                idle = tuple(node.committed_until for node, kept in zip(nodes, mask, strict=True)
                             if node.committed_until is not None and not kept)  # fmt: skip
                used = int(mask.sum())
        need = grain(need)
        left = whole - fixed - need if slack is None else slack
        return Pool(need=need, fixed=fixed, slack=left, used=used, idle_committed=idle)

    def _used(self, name: str, off: frozenset[str]) -> np.ndarray | None:
        """Nodes that pods are on while these workloads do not run; None where not all find room: all are needed."""
        found: Packed = pack(self.nodes[name], [one for one in self.loads[name] if one.workload not in off])
        return found.used if found.fits else None

    def _always(self, name: str) -> np.ndarray:
        """Nodes that are used in every hour of the week."""
        masks = [self._used(name, off) for off in self._phases(name)]
        found = np.ones(len(self.nodes[name]), dtype=bool)
        for mask in masks:
            if mask is not None:
                found &= mask
        return found

    def _phases(self, name: str) -> dict[frozenset[str], int]:
        """How many hours of the week which of the pool's workloads do not run."""
        mine = {one.workload for one in self.loads[name]} & set(self.off)
        phases: dict[frozenset[str], int] = {}
        for hour in range(HOURS_PER_WEEK) if mine else ():
            off = frozenset(workload for workload in mine if hour in self.off[workload])
            phases[off] = phases.get(off, 0) + 1
        return phases or {_NOBODY: HOURS_PER_WEEK}
