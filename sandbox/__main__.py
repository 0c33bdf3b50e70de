"""The sandbox's command line: `python -m sandbox COMMAND`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from handlers.redaction import redacted
from sandbox import instance as instances
from sandbox import lifecycle, setup, stack
from sandbox.commands import end_as_by_ctrl_c
from sandbox.databases.binaries import OWN, versions
from sandbox.engine import Engine
from sandbox.errors import SandboxError, of_system
from sandbox.faults import catalogue
from sandbox.faults import run as faults
from sandbox.lifecycle import Options
from sandbox.ports import listens
from sandbox.rehearsal import shop
from sandbox.rehearsal.plants import PLANTS
from sandbox.rehearsal.request import Request
from sandbox.rehearsal.run import rehearse

DEFAULT_NAME = "sandbox"
UP_ROWS = 3_000
HIGHEST_RATE, LONGEST_LOAD, SLOWEST_DNS = 10_000, 1_500, 120
INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="AWS on one machine, for this repository's stack."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    def named(added: argparse.ArgumentParser, default: str = DEFAULT_NAME) -> None:
        added.add_argument("--name", default=default, help=f"which sandbox (default {default})")

    command("setup", "make engine, emulators and database servers, start nothing", _setup)
    up = command("up", "start a sandbox and deploy the stack into it", _up)
    named(up)
    _common(up)
    named(command("down", "end a sandbox with everything it started", _down))
    named(command("status", "say what runs, and where", _status))
    execute = command("exec", "run a command inside a sandbox: python -m sandbox exec -- pulumi preview", _exec)
    named(execute)
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    psql = command("psql", "open psql on the source or the target, as the superuser", _psql)
    named(psql)
    psql.add_argument("side", choices=("source", "target"))
    psql.add_argument("argv", nargs=argparse.REMAINDER, metavar="ARGS", help="passed on to psql")
    run = command("rehearse", "migrate a real database under load, switch over, prove it, report, clean up", _rehearse)
    named(run, Request.name)
    _common(run)
    run.add_argument("--dump", type=Path, help="rehearse with this pg_dump file (plain, gzip or custom) as the source")
    run.add_argument("--rows", type=_count, default=Request.rows, help=f"rows of the default source ({Request.rows})")
    run.add_argument("--rate", type=_rate, default=Request.rate, help=f"writes per second ({Request.rate:.0f})")
    run.add_argument(
        "--seconds", type=_seconds, default=Request.seconds, help=f"length of the load ({Request.seconds:.0f})"
    )
    run.add_argument("--seed", type=int, default=Request.seed, help=f"seed of data and load ({Request.seed})")
    run.add_argument(
        "--plant",
        action="append",
        default=[],
        choices=sorted(PLANTS),
        metavar="RULE",
        help="break the source so that preflight refuses, by the rule that finds it (may be repeated): "
        + ", ".join(sorted(PLANTS)),
    )
    run.add_argument("--output", type=Path, default=Request.output, help="where the report goes (build/rehearsal)")
    run.add_argument("--no-fail-back", dest="fail_back", action="store_false", help="stay on the target")
    run.add_argument(
        "--fault",
        action="append",
        metavar="NAME",
        help=f"have this go wrong instead, by name, by family, or {catalogue.EVERY} (may be repeated; report in "
        f"build/{faults.OUTPUT.name}; other options but --name, --seed and --output do not count)",
    )
    run.add_argument("--keep", action="store_true", help="leave everything running and say how to look around")
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack-config", default=stack.DEFAULT_CONFIG, help="a stack's name, or a config file (default dev)"
    )
    parser.add_argument(
        "--database-port", type=_port, help="port of both database servers (default: 5432 or a free one)"
    )
    for side, usual in (("source", Options.source_version), ("target", Options.target_version)):
        parser.add_argument(
            f"--{side}-version",
            type=_version,
            default=usual,
            help=f"major version of the {side}'s PostgreSQL ({usual})",
        )
    parser.add_argument(
        "--dns-propagation",
        type=_propagation,
        default=Request.dns_propagation,
        metavar="SECONDS",
        help="how long Route 53's name servers take to follow a change (default 0; on AWS up to 60)",
    )


def _version(text: str) -> str:
    there_are = versions()
    if text not in there_are:
        raise argparse.ArgumentTypeError(
            f"{text} will not do: here there are {', '.join(there_are)}, or set {OWN}{text}"
        )
    return text


def _number(text: str, most: int, *, zero: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not (0 < value <= most or (zero and value == 0)):
        wanted = f"from 0 to {most}" if zero else f"above 0, up to {most}"
        raise argparse.ArgumentTypeError(f"{text} will not do: write a number {wanted}")
    return value


def _rate(text: str) -> float:
    return _number(text, HIGHEST_RATE)


def _seconds(text: str) -> float:
    return _number(text, LONGEST_LOAD)


def _propagation(text: str) -> float:
    return _number(text, SLOWEST_DNS, zero=True)


def _whole(text: str, least: int, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text} will not do: write a whole number from {least} to {most}")
    return value


def _count(text: str) -> int:
    return _whole(text, 1, 1_000_000_000)


def _port(text: str) -> int:
    return _whole(text, 1024, 65535)


def _tell(line: str) -> None:
    sys.stderr.write(f"{redacted(line)}\n")  # in one go: the set-up tells from several threads
    sys.stderr.flush()


def _setup(_: argparse.Namespace) -> int:
    ready = setup.prepare(_tell, everything=True)
    print(ready.engine.line("stand-in (sandbox)"))
    return 0


def _up(args: argparse.Namespace) -> int:
    options = Options(
        args.name,
        args.stack_config,
        args.database_port,
        dns_propagation=args.dns_propagation,
        source_version=args.source_version,
        target_version=args.target_version,
    )
    instance = lifecycle.start(options, _tell)
    try:
        shop.create(instance.source, UP_ROWS, Request.seed, shop.new_passwords())
        lifecycle.declare(instance, options, shop.DATABASE, shop.APPLICATION)
        lifecycle.deploy(instance)
        made = sum(stack.resources(instance).values())
        print(f"{made} resources deployed; `python -m sandbox status --name {args.name}` says where")
    except BaseException:
        lifecycle.end(args.name)
        raise
    return 0


def _down(args: argparse.Namespace) -> int:
    ended = lifecycle.end(args.name)
    print(f"{args.name} ended" if ended else f"no sandbox called {args.name} was running")
    return 0


def _status(args: argparse.Namespace) -> int:
    instance = instances.find(args.name)
    if instance is None:
        print(f"no sandbox called {args.name} is running")
        return 1
    print(Engine.from_dict(instance.engine).line("stand-in (sandbox)"))
    for name, pid in instance.processes:
        state = "runs" if Path(f"/proc/{pid}").exists() else "has ended"
        print(f"{name:<18} {state:<9} pid {pid}")
    for name, port in vars(instance.ports).items():
        print(f"{name:<18} 127.0.0.1:{port} {'answers' if listens(port) else 'is silent'}")
    for server in (instance.source, instance.target):
        print(f"{server.name:<18} {server.address}:{server.port} PostgreSQL {server.version}")
    if instance.mysql is not None:
        print(f"{'mysql':<18} {instance.mysql.address}:{instance.mysql.port} MariaDB {instance.mysql.version}")
    print(f"logs               {instance.logs}")
    return 0


def _exec(args: argparse.Namespace) -> int:
    return lifecycle.execute(args.name, args.argv[1:] if args.argv[:1] == ["--"] else args.argv, _tell)


def _psql(args: argparse.Namespace) -> int:
    instance = instances.need(args.name)
    server = instance.source if args.side == "source" else instance.target
    with server.superuser() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1")
        found = [row[0] for row in cursor.fetchall()]
    env = {**os.environ, **server.environment(found[0] if found else "postgres")}
    program = str(server.program("psql"))
    os.execve(program, [program, *args.argv], env)  # noqa: S606 - psql takes this process's place
    return 0


def _rehearse(args: argparse.Namespace) -> int:
    if args.fault:
        folder = args.output if args.output != Request.output else faults.OUTPUT
        return faults.rehearse(args.fault, sandbox=args.name, seed=args.seed, folder=folder)
    request = Request(
        name=args.name,
        stack_config=args.stack_config,
        dump=args.dump,
        rows=args.rows,
        seed=args.seed,
        rate=args.rate,
        seconds=args.seconds,
        fail_back=args.fail_back,
        dns_propagation=args.dns_propagation,
        keep=args.keep,
        database_port=args.database_port,
        source_version=args.source_version,
        target_version=args.target_version,
        output=args.output,
        plants=tuple(args.plant),
    )
    return rehearse(request)


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 an error in one line, 2 usage, 3 refused by preflight,
    130 interrupted."""
    args = _parser().parse_args(argv)
    end_as_by_ctrl_c()
    try:
        status: int = args.run(args)
    except SandboxError as error:
        print(redacted(f"error: {error}"), file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(redacted(f"error: {error}"), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {of_system(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # once more, and it would be Python that says goodbye
        print("interrupted: everything that was started has been ended", file=sys.stderr)
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
