"""What the commands that make evidence share: pinned Cargo commands, installed into .tools/ when first asked for, from the registry only;
and the tables of docs/verification.md that they write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
DOCUMENT = ROOT / "docs" / "verification.md"
VERSIONS = {"cargo-fuzz": "0.13.2", "cargo-mutants": "27.1.0", "cargo-nextest": "0.9.143"}


def installed(name: str) -> Path:
    """The command, at its pinned version."""
    command = TOOLS / "bin" / name
    version = VERSIONS[name]
    if not command.is_file() or version_of(command) != version:
        print(f"installing {name} {version} into .tools (a few minutes, once)", file=sys.stderr)
        install = ["cargo", "install", "--quiet", name, "--version", version, "--locked", "--root", TOOLS]
        subprocess.run(install, check=True, cwd=ROOT, stdout=sys.stderr)
    return command


def version_of(command: Path) -> str:
    """What the command says of itself, without its name."""
    arguments = [command, command.name.removeprefix("cargo-"), "--version"]
    said = subprocess.run(arguments, capture_output=True, text=True).stdout
    return next(iter(said.removeprefix(command.name).split()), "")


def shown(name: str) -> list[list[str]]:
    """The rows of the table that a command writes, its heading left out."""
    _, table, _ = divided(name)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def show(name: str, heading: list[str], rows: list[list[str]]) -> None:
    """Writes the table that a command is the author of."""
    before, _, after = divided(name)
    lines = [heading, ["---"] * len(heading), *rows]
    DOCUMENT.write_text(before + "".join(f"| {' | '.join(line)} |\n" for line in lines) + after)


def divided(name: str) -> tuple[str, str, str]:
    text = DOCUMENT.read_text()
    begin, end = f"<!-- written by {name} -->\n", "<!-- end -->\n"
    start = text.index(begin) + len(begin)
    stop = text.index(end, start)
    return text[:start], text[start:stop], text[stop:]
