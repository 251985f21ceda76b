"""``python -m airflow_provider_ccc.simulator``: a CCC on this machine, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from airflow_provider_ccc.simulator.settings import SimulatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_PORT = 8790
_EXTRA = ("alibabacloud_openapi_util", "phonenumbers", "starlette", "uvicorn")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line: argparse itself prints the whole usage before it."""
        self.exit(2, f"error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to end.

    :param arguments: the command line's, without the program's name; None: this process's.
    """
    parser = _parser()
    settings = SimulatorSettings(**vars(parser.parse_args(arguments)), journal_size=0)
    try:
        from airflow_provider_ccc.simulator.instances import DescriptionError
        from airflow_provider_ccc.simulator.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        parser.exit(2, f"error: {error.name} is missing: pip install 'airflow-provider-ccc[simulator]'\n")
    try:
        serve(settings, lambda url: print(f"listening on {url}", flush=True))
    except DescriptionError as error:
        parser.error(f"argument --instance: {error}")
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        why = (error.strerror or str(error)).partition(" (")[0]  # behind it, the socket module's remarks
        parser.error(
            f"argument --host/--port: cannot listen on {where}: {why}; choose another, or --port 0 for a free one"
        )


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m airflow_provider_ccc.simulator",
        description="A stand-in for Alibaba Cloud Call Center (CCC), API 2017-07-05 and 2020-07-01, on this machine.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = SimulatorSettings()
    parser.add_argument("--host", type=_text, default=defaults.host, help="address to listen on")
    parser.add_argument("--port", type=_number(int, 0, 65535), default=DEFAULT_PORT, help="0 picks a free one")
    parser.add_argument("--access-key-id", type=_text, default=defaults.access_key_id, metavar="ID", help="key")
    parser.add_argument(
        "--access-key-secret", type=_text, default=defaults.access_key_secret, metavar="SECRET", help="its secret"
    )
    parser.add_argument("--security-token", type=_text, metavar="TOKEN", help="STS token to ask for")
    parser.add_argument(
        "--sts-seconds",
        type=_number(int, 1, 43_200),
        metavar="N",
        help="longest life of temporary keys it issues",
    )
    parser.add_argument("--instance", metavar="FILE", help="JSON description of the call centers")
    parser.add_argument("--qps", type=_number(int, 1, None), metavar="N", help="requests per second, then throttle")
    parser.add_argument(
        "--latency-ms", type=_number(float, 0, 600_000), default=0, metavar="N", help="delay of answers"
    )
    parser.add_argument(
        "--fault-rate", type=_number(float, 0, 1), default=0.0, metavar="P", help="probability of a fault, 0 to 1"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, metavar="N", help="what faults are drawn from")
    return parser


def _number(kind: type[int] | type[float], low: int, high: int | None) -> Callable[[str], float]:
    """Give an argument's type: a number in a range, which the error message tells."""
    expected = f"{'an integer' if kind is int else 'a number'} of at least {low}"
    if high is not None:
        expected = f"{'an integer' if kind is int else 'a number'} from {low} to {high}"

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        # Written so that NaN, which is neither below nor above anything, is refused too.
        if not (low <= value and (high is None or value <= high)):
            raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
        return value

    return parse


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before the server had its own handlers
        sys.exit(0)
