"""The official SDKs, each as its documentation uses it. Runs in an environment of their own, benchmarks/.venv."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from benchmarks.child import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    CANDIDATES,
    INSTANCE_ID,
    Prepare,
    Run,
    Target,
    main,
    resolves,
)


def _one_after_the_other(call: Callable[[str], bool]) -> Prepare:
    return lambda callees: resolves(lambda: sum(call(str(callee)) for callee in callees))


def _in_threads(call: Callable[[str], bool], threads: int) -> Prepare:
    pool = ThreadPoolExecutor(threads)
    return lambda callees: resolves(lambda: sum(pool.map(call, map(str, callees))))


# --- alibabacloud-ccc20170705, the newer one: one client for all, which is documented as safe for threads ------------


def _new_client(target: Target, connections: int):  # type: ignore[no-untyped-def]
    from alibabacloud_ccc20170705.client import Client  # type: ignore[import-not-found]
    from alibabacloud_tea_openapi.models import Config  # type: ignore[import-not-found]

    address = urlsplit(target.url)
    config = Config(
        access_key_id=ACCESS_KEY_ID,
        access_key_secret=ACCESS_KEY_SECRET,
        region_id="cn-shanghai",
        endpoint=address.netloc,
        protocol=address.scheme.upper(),
        ca=target.ca,
        max_idle_conns=connections,  # by default 40, so that more threads would open connections anew
    )
    return Client(config)


def _new_request(callee: str):  # type: ignore[no-untyped-def]
    from alibabacloud_ccc20170705.models import PickOutboundNumbersRequest  # type: ignore[import-not-found]

    return PickOutboundNumbersRequest(
        callee_number=callee, candidate_number=CANDIDATES, count=1, instance_id=INSTANCE_ID
    )


def _new_call(target: Target, connections: int) -> Callable[[str], bool]:
    client = _new_client(target, connections)

    def call(callee: str) -> bool:
        answer = client.pick_outbound_numbers(_new_request(callee))
        return answer.body.dial_number_pairs.dial_number_pair[0].caller.number in CANDIDATES

    return call


def new_sequential(target: Target) -> Prepare:
    return _one_after_the_other(_new_call(target, 1))


def new_threads(target: Target) -> Prepare:
    return _in_threads(_new_call(target, target.concurrency), target.concurrency)


def new_asyncio(target: Target) -> Prepare:
    client = _new_client(target, target.concurrency)

    async def work(callees: Iterator[int]) -> int:
        resolved = 0
        for callee in callees:
            answer = await client.pick_outbound_numbers_async(_new_request(str(callee)))
            resolved += answer.body.dial_number_pairs.dial_number_pair[0].caller.number in CANDIDATES
        return resolved

    async def all_of(callees: range) -> int:
        shared = iter(callees)
        return sum(await asyncio.gather(*(work(shared) for _ in range(target.concurrency))))

    def prepare(callees: range) -> Run:
        return resolves(lambda: asyncio.run(all_of(callees)))

    return prepare


# --- aliyun-python-sdk-ccc, the older one: a pool as large as there are threads, as its documentation asks ------------


def _old_call(target: Target, connections: int) -> Callable[[str], bool]:
    from aliyunsdkccc.request.v20170705.PickOutboundNumbersRequest import PickOutboundNumbersRequest  # type: ignore[import-not-found]
    from aliyunsdkcore.client import AcsClient  # type: ignore[import-untyped]
    from aliyunsdkcore.http import protocol_type  # type: ignore[import-untyped]

    address = urlsplit(target.url)
    # The SDK compares by identity: another string "https" would be taken for http.
    protocol = protocol_type.HTTPS if address.scheme == "https" else protocol_type.HTTP
    client = AcsClient(
        ACCESS_KEY_ID, ACCESS_KEY_SECRET, "cn-shanghai", port=address.port, verify=target.ca, pool_size=connections
    )

    def call(callee: str) -> bool:
        request = PickOutboundNumbersRequest()
        request.set_endpoint(address.hostname)
        request.set_protocol_type(protocol)
        request.set_accept_format("json")
        request.set_InstanceId(INSTANCE_ID)
        request.set_CalleeNumber(callee)
        request.set_CandidateNumbers(CANDIDATES)
        request.set_Count(1)
        answer = json.loads(client.do_action_with_exception(request))
        return answer["DialNumberPairs"]["DialNumberPair"][0]["Caller"]["Number"] in CANDIDATES

    return call


def old_sequential(target: Target) -> Prepare:
    return _one_after_the_other(_old_call(target, 1))


def old_threads(target: Target) -> Prepare:
    return _in_threads(_old_call(target, target.concurrency), target.concurrency)


if __name__ == "__main__":
    main(
        {
            "new-sequential": new_sequential,
            "new-threads": new_threads,
            "new-asyncio": new_asyncio,
            "old-sequential": old_sequential,
            "old-threads": old_threads,
        }
    )
    sys.exit(0)
