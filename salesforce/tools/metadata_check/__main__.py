"""`python -m salesforce.tools.metadata_check [FOLDER]`: prints every problem; exit 1 when there is one."""

from __future__ import annotations

import sys
from pathlib import Path

from . import check, load


def main(arguments: list[str]) -> int:
    files = load(Path(arguments[0]) if arguments else Path(__file__).parents[2])
    found = check(files)
    for problem in found:
        print(problem)
    print(f"{len(files)} files, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
