"""Which of several numbers should call somebody: the nearest first."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_ccc.simulator.instances import Account
    from airflow_provider_ccc.simulator.regions import Region

SAME_CITY, SAME_PROVINCE, ANYWHERE = range(3)


def pick(account: Account, callee: str, candidates: Iterable[str], count: int) -> list[str]:
    """Rank candidates by how near they are to the callee: same city, same province, any.

    Among equally near ones a hash of both numbers decides, so that the callers are used evenly over many callees and
    the same question always has the same answer. How the service decides is not documented.

    :param account: knows the regions.
    :param callee: who is called.
    :param candidates: who may call; repetitions count once.
    :param count: how many are wanted. There are fewer if there are fewer candidates.
    """
    near: tuple[list[str], ...] = ([], [], [])
    region = account.region_of(callee)
    for candidate in dict.fromkeys(candidates):
        near[_distance(region, account.region_of(candidate))].append(candidate)
    picked: list[str] = []
    for group in near:
        if len(picked) >= count:
            break
        if len(group) > 1:
            group.sort(key=lambda candidate: _stable_hash(callee, candidate))
        picked += group
    return picked[:count]


def _distance(one: Region, other: Region) -> int:
    if not one.province or one.province != other.province:
        return ANYWHERE
    # A prefix may be known to be of a province but of no city in it: that is not the same city.
    return SAME_CITY if one.city and one.city == other.city else SAME_PROVINCE


def _stable_hash(callee: str, candidate: str) -> bytes:
    # Not hash(), which differs from one process to the next; nor a CRC, whose ranking is the same for many callees.
    return blake2b(f"{callee}\0{candidate}".encode(), digest_size=8).digest()
