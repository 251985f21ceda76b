"""``python -m airflow_provider_ccc.simulator``: a CCC on this machine, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_ccc.simulator.settings import SimulatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
    parser = _Parser(
        prog="python -m airflow_provider_ccc.simulator",
        description="A stand-in for Alibaba Cloud Call Center (CCC), API 2017-07-05 and 2020-07-01, on this machine.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for flag, settings in options().items():
        parser.add_argument(flag, **settings)
    run(vars(parser.parse_args(arguments)))


def run(options: Mapping[str, Any]) -> None:
    """Serve until told to end; what cannot be used ends the process with one line, and exit code 2.

    :param options: those of :func:`options`, by their names as :class:`SimulatorSettings` has them.
    """
    settings = SimulatorSettings(**options, journal_size=0)
    try:
        from airflow_provider_ccc.simulator.instances import DescriptionError
        from airflow_provider_ccc.simulator.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        _refuse(f"{error.name} is missing: pip install 'airflow-provider-ccc[simulator]'")
    try:
        serve(settings, lambda url: print(f"listening on {url}", flush=True))
    except DescriptionError as error:
        _refuse(f"argument --instance: {error}")
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        why = (error.strerror or str(error)).partition(" (")[0]  # behind it, the socket module's remarks
        _refuse(f"argument --host/--port: cannot listen on {where}: {why}; choose another, or --port 0 for a free one")


def options() -> dict[str, dict[str, Any]]:
    """Describe the options, by their flags, as ``argparse`` takes them."""
    defaults = SimulatorSettings()
    return {
        "--host": {"type": _text, "default": defaults.host, "help": "address to listen on"},
        "--port": {"type": _number(int, 0, 65535), "default": DEFAULT_PORT, "help": "0 picks a free one"},
        "--access-key-id": {"type": _text, "default": defaults.access_key_id, "metavar": "ID", "help": "key"},
        "--access-key-secret": {
            "type": _text,
            "default": defaults.access_key_secret,
            "metavar": "SECRET",
            "help": "its secret",
        },
        "--security-token": {"type": _text, "metavar": "TOKEN", "help": "STS token to ask for"},
        "--sts-seconds": {
            "type": _number(int, 1, 43_200),
            "metavar": "N",
            "help": "longest life of temporary keys it issues",
        },
        "--instance": {"metavar": "FILE", "help": "JSON description of the call centers"},
        "--qps": {"type": _number(int, 1, None), "metavar": "N", "help": "requests per second, then throttle"},
        "--latency-ms": {"type": _number(float, 0, 600_000), "default": 0, "metavar": "N", "help": "delay of answers"},
        "--fault-rate": {
            "type": _number(float, 0, 1),
            "default": 0.0,
            "metavar": "P",
            "help": "probability of a fault, 0 to 1",
        },
        "--seed": {"type": int, "default": defaults.seed, "metavar": "N", "help": "what faults are drawn from"},
    }


def _refuse(what: str) -> NoReturn:
    print(f"error: {what}", file=sys.stderr)
    raise SystemExit(2)


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
