"""Processes that a script starts and that end with it: each in a session of its own, so that its children end too, and nobody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pinned
from pinned import ROOT

REGION = "us-east-1"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anything of AWS's, so that nothing started with it can reach an account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    local = {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0", "PATH": f"{pinned.commands('lambda')}{os.pathsep}{os.environ['PATH']}",
    }
    return kept | local | more


def run(command: list[Any], env: dict[str, str]) -> str:
    """Runs a command; its standard output. Where it fails, all that it said is shown."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(str(part) for part in command)} failed:\n{done.stdout}")
    return done.stdout


@contextmanager
def process(command: list[Any], env: dict[str, str], cwd: Path, log: Path, **pipes: Any) -> Iterator[subprocess.Popen[str]]:
    """A process and its children, which all end with this block."""
    with log.open("w") as out:
        started = subprocess.Popen([str(part) for part in command], cwd=cwd, env=env, text=True, stderr=out, start_new_session=True,
                                   **({"stdout": out, "stdin": subprocess.DEVNULL} | pipes))
    try:
        yield started
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(started.pid, how)
                started.wait(timeout=5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


def end_on_terminate() -> None:
    """Makes a polite end like Ctrl-C: what was started ends first."""
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)


def target_folder() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def build_functions(env: dict[str, str], *what: str) -> None:
    """All functions, or what is named. Asked for binaries and an example at once, cargo-lambda lays out the example alone."""
    run(["cargo", "lambda", "build", "--release", "--locked", "--package", "cost-sentry-functions", *(what or ["--bins"])], env)


def build_tool(env: dict[str, str]) -> None:
    run(["cargo", "build", "--locked", "--package", "cost-sentry", "--bin", "cost-sentry", "--example", "services"], env)


def apply_policy(policy: Path, table: str, env: dict[str, str]) -> None:
    say(run([target_folder() / "debug" / "cost-sentry", "policy", "apply", policy, "--table", table], env).strip())


@dataclass
class Services:
    """The embedded services: their endpoints, and how to stop them and learn which calls Bedrock saw."""

    endpoints: dict[str, str]
    stop: Callable[[], dict[str, int]]


@contextmanager
def services(env: dict[str, str], folder: Path) -> Iterator[Services]:
    program = target_folder() / "debug" / "examples" / "services"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with process([program], env, folder, folder / "services.log", **pipes) as started:
        assert started.stdin and started.stdout
        yield Services(json.loads(started.stdout.readline()), lambda: json.loads(started.communicate(timeout=10)[0]))
