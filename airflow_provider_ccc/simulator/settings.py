"""What can be set about a simulator: the command line's arguments, and a little more for tests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """The settings of one simulator.

    :param host: the address to listen on.
    :param port: the port to listen on; 0 picks a free one.
    :param access_key_id: the one AccessKey ID that is accepted.
    :param access_key_secret: its secret.
    :param security_token: the STS token that must come with the key; none: the key is a static one.
    :param instance: the instance description: a JSON file, or the same data as a mapping. None: the default one.
    :param qps: accepted requests per second, all operations together; None: no limit.
    :param latency_ms: by how much every API answer is delayed.
    :param fault_rate: the probability, 0 to 1, that an accepted request meets a fault (:mod:`.faults`).
    :param seed: what the faults are drawn from; the same seed gives the same sequence.
    :param sts_seconds: how long temporary keys live at most, whatever is asked for; None: as long as is asked for, and
        an hour where nothing is.
    :param oidc_token: the one OIDC token that is taken for proof of an identity; None: any that is not empty.
    :param clock: the server's clock in seconds since the epoch; a test may shift it.
    :param journal_size: how many of the latest requests are remembered. A record holds phone numbers.
    """

    host: str = "127.0.0.1"
    port: int = 0
    access_key_id: str = "testid"
    access_key_secret: str = "testsecret"  # noqa: S105 - a toy's well-known default
    security_token: str | None = None
    instance: str | Path | Mapping[str, Any] | None = None
    qps: int | None = None
    latency_ms: float = 0
    fault_rate: float = 0.0
    seed: int = 0
    sts_seconds: int | None = None
    oidc_token: str | None = None
    clock: Callable[[], float] = time.time
    journal_size: int = 100_000
