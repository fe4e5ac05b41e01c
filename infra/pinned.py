"""The pinned Python tools, each set in a virtual environment of its own under .tools/, installed when first asked for.

    python3 infra/pinned.py sam     installs sam and cfn-lint, and prints the folder of their commands
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "infra" / "requirements"
TOOLS = ROOT / ".tools"
# sam: the template's builder and linter; stack: the local AWS; lambda: the functions' builder.
SETS = ("sam", "stack", "lambda")


def environment(name: str) -> Path:
    """The environment of a set, installed as its requirements file says."""
    requirements = REQUIREMENTS / f"{name}.txt"
    folder = TOOLS / name
    stamp = folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing {requirements.relative_to(ROOT)} into {folder.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [folder / "bin" / "pip", "install", "--quiet", "--no-deps", "--requirement", requirements]
        subprocess.run(install, check=True, stdout=sys.stderr)
        stamp.write_text(wanted)
    return folder


def commands(name: str) -> Path:
    """The folder of a set's commands."""
    return environment(name) / "bin"


def importable(name: str) -> None:
    """Makes a set's modules importable here."""
    (modules,) = (environment(name) / "lib").glob("python3*/site-packages")
    sys.path.append(str(modules))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SETS:
        sys.exit(f"usage: pinned.py {'|'.join(SETS)}")
    print(commands(sys.argv[1]))
