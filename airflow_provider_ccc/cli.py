"""The commands under ``airflow ccc``, and under ``python -m airflow_provider_ccc`` for Airflow versions without these.

They are described once, in :data:`COMMANDS`. Nothing heavy is imported before one of them runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc.simulator.__main__ import options as simulator_options
from airflow_provider_ccc.simulator.__main__ import run as serve

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

    from airflow_provider_ccc.hooks.ccc import CccHook

HELP = "Alibaba Cloud Call Center"


@dataclass(frozen=True)
class Option:
    """An argument of a command, as ``argparse`` takes it."""

    flags: tuple[str, ...]
    help: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is called once it is parsed."""
        return self.flags[0].lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class Command:
    """One command.

    :param run: does it; its result is the exit code.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    options: tuple[Option, ...]


def _option(*flags: str, help: str, **settings: Any) -> Option:
    return Option(flags, help, settings)


_CONNECTION = _option("--conn-id", help="the connection", default="ccc_default", metavar="ID")
_INSTANCE = _option("--instance-id", help="the call centre instance; the connection's by default", metavar="ID")
_SIMULATOR = tuple(_option(flag, **settings) for flag, settings in simulator_options().items())
_SEVERAL = "repeat it, or put commas between, for several"
_OUTPUT = _option("--output", "-o", help="how to print it", choices=("table", "json", "yaml", "plain"), default="table")


def pick(arguments: argparse.Namespace) -> int:
    """Pick the number to show to one callee, and print the pairs."""
    candidates, skill_groups = _all(arguments.candidate), _all(arguments.skill_group)
    if bool(candidates) == bool(skill_groups):
        return _fail("give --candidate or --skill-group, not both; repeat it for several")
    hook = _hook(arguments)
    if candidates:
        picked = hook.pick_outbound_numbers(arguments.callee, candidates, arguments.count)
    else:
        picked = hook.pick_global_outbound_numbers(arguments.callee, skill_groups, arguments.count)
    _print(
        (
            {f"{who}_{what}": text for who, number in pair.as_dict().items() for what, text in number.items()}
            for pair in picked.pairs
        ),
        arguments.output,
    )
    return 0 if picked.pairs else _fail("the service picked no number for this callee")


def health(arguments: argparse.Namespace) -> int:
    """Look at an instance once, and print what was seen; the exit code says whether it is ready."""
    seen = _hook(arguments).check_health(
        min_outbound_numbers=arguments.min_outbound_numbers,
        candidate_numbers=_all(arguments.candidate) or None,
        min_ready_agents=arguments.min_ready_agents,
    )
    _print([seen.as_dict()], arguments.output)
    return 0 if seen.ready else _fail(f"not ready: {seen.missing}")


def check(arguments: argparse.Namespace) -> int:
    """Look at callees as a campaign would read them, and print what was found; no request is sent."""
    from airflow_provider_ccc.campaign.checking import check_callees
    from airflow_provider_ccc.campaign.source.exclusion import Exclusion
    from airflow_provider_ccc.campaign.source.reading import Reading

    reading = Reading(
        column=arguments.column,
        format=arguments.format,
        encoding=arguments.encoding,
        delimiter="\t" if arguments.delimiter == "\\t" else arguments.delimiter,
        sheet=arguments.sheet,
        only="failed" if arguments.failed else None,
        only_possible_numbers=arguments.only_possible_numbers,
    )
    exclude = Exclusion.of(arguments.exclude, None, None, arguments.exclude_column, reading)
    seen = check_callees(arguments.callees, reading, exclude=exclude, qps=arguments.qps)
    counts = ("rows", "empty", "malformed", "duplicates", "excluded", "to_resolve")
    row = {name: getattr(seen, name) for name in counts} | {"minutes": round(seen.seconds / 60, 1)}
    _print([row], arguments.output)
    for place, problem in seen.examples:
        sys.stderr.write(f"row {place}: {problem}\n")
    return 0 if not seen.malformed else _fail(f"{seen.malformed} of {seen.rows} rows are malformed")


def _hook(arguments: argparse.Namespace) -> CccHook:
    """Make a hook that finds its connection wherever Airflow's own commands do, the metadata database included.

    A hook in a task asks Airflow's supervisor, and there is none here; Airflow 3 then looks into the environment and
    the configured secrets backend only.
    """
    from airflow.models.connection import Connection

    from airflow_provider_ccc.hooks.ccc import CccHook

    class CommandsHook(CccHook):
        @classmethod
        def get_connection(cls, conn_id: str) -> Any:
            return Connection.get_connection_from_secrets(conn_id)

    return CommandsHook(arguments.conn_id, instance_id=arguments.instance_id)


def _all(given: list[str] | None) -> list[str]:
    """Read an option that may be repeated, and hold several values with commas between them."""
    return [one.strip() for text in given or () for one in text.split(",") if one.strip()]


def simulator(arguments: argparse.Namespace) -> int:
    """Run the simulator until told to end."""
    serve({option.name: getattr(arguments, option.name) for option in _SIMULATOR})
    return 0


COMMANDS = (
    Command(
        "pick",
        "Pick which number to show to one callee",
        pick,
        (
            _option("callee", help="the number to call"),
            _option("--candidate", help=f"a number to choose from; {_SEVERAL}", action="append", metavar="NUMBER"),
            _option("--skill-group", help=f"or a skill group; {_SEVERAL}", action="append", metavar="ID"),
            _option("--count", help="how many pairs to ask for", type=int, default=1, metavar="N"),
            _INSTANCE,
            _CONNECTION,
            _OUTPUT,
        ),
    ),
    Command(
        "health",
        "Check whether an instance is ready for a campaign",
        health,
        (
            _option("--min-outbound-numbers", help="how many may call out", type=int, default=1, metavar="N"),
            _option("--min-ready-agents", help="how many agents are ready", type=int, default=0, metavar="N"),
            _option("--candidate", help=f"a number that may call out; {_SEVERAL}", action="append", metavar="NUMBER"),
            _INSTANCE,
            _CONNECTION,
            _OUTPUT,
        ),
    ),
    Command(
        "check",
        "Look at callees before a campaign: what is malformed, duplicate or excluded, and how long it takes",
        check,
        (
            _option("callees", help="a file, a folder or a pattern"),
            _option("--column", help="what holds the number", default="callee", metavar="NAME"),
            _option("--format", help="where the name does not say", metavar="FORMAT"),
            _option("--encoding", help="of text, such as gb18030", default="utf-8", metavar="NAME"),
            _option("--delimiter", help="between the columns of CSV", metavar="CHARACTER"),
            _option("--sheet", help="of a workbook", metavar="NAME"),
            _option("--failed", help="the callees that failed in the campaign of this folder", action="store_true"),
            _option("--only-possible-numbers", help="refuse numbers that China does not have", action="store_true"),
            _option("--exclude", help="a file, a folder or a pattern of numbers to exclude", metavar="PATH"),
            _option("--exclude-column", help="what holds the number there", metavar="NAME"),
            _option("--qps", help="calls per second that the quota allows; by default 100", type=float, metavar="N"),
            _OUTPUT,
        ),
    ),
    Command(
        "simulator",
        "Run a stand-in for CCC on this machine",
        simulator,
        _SIMULATOR,
    ),
)


def get_ccc_cli_commands() -> list[CLICommand]:
    """Give Airflow the commands; it reads this at each start of its command line."""
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    return [
        GroupCommand(
            name="ccc",
            help=HELP,
            subcommands=[
                ActionCommand(
                    name=command.name,
                    help=command.help,
                    func=_ended(command.run),
                    args=[_as_airflow_has_it(option) for option in command.options],
                )
                for command in COMMANDS
            ],
        )
    ]


def _as_airflow_has_it(option: Option) -> Any:
    from airflow.cli.cli_config import Arg

    return Arg(option.flags, help=option.help, **option.settings)  # type: ignore[no-untyped-call]


def main(given: list[str] | None = None) -> None:
    """Do the same without Airflow's command line.

    :param given: the arguments; this process's own by default.
    """
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_ccc", description=HELP)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        for option in command.options:
            one.add_argument(*option.flags, help=option.help, **option.settings)
        one.set_defaults(run=_ended(command.run))
    arguments = parser.parse_args(given)
    arguments.run(arguments)


def _ended(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], None]:
    """End the process with the command's exit code, and without a traceback for what a user can fix."""

    def command(arguments: argparse.Namespace) -> None:
        from airflow_provider_ccc.client.errors import CccError
        from airflow_provider_ccc.compat import AirflowException

        try:
            code = run(arguments)
        except (CccError, AirflowException) as error:
            code = _fail(str(error))
        sys.exit(code)

    return command


def _fail(what: str) -> int:
    sys.stderr.write(f"error: {what}\n")
    return 1


def _print(rows: Iterable[dict[str, Any]], output: str) -> None:
    from airflow.cli.simple_table import AirflowConsole

    AirflowConsole().print_as(data=list(rows), output=output)
