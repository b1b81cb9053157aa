"""The table of promises names tests that exist; it cannot rot in silence."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
README = (HERE / "README.md").read_text("utf-8")


def test_every_file_and_test_named_as_proof_exists() -> None:
    proofs = 0
    for row in README.splitlines():
        text = ""
        for file, test in re.findall(r"`([\w/]*test_\w+\.py)`|`(test_\w+)`", row):
            if file:
                path = HERE.parents[1] / file if file.startswith("tests/") else HERE / file
                assert path.is_file(), file
                text = path.read_text("utf-8")
            else:
                assert f"def {test}(" in text, f"{test} is not in the file named before it"
            proofs += 1
    assert proofs > 80


def test_every_test_file_proves_something_that_is_promised() -> None:
    for path in [*HERE.glob("test_*.py"), *HERE.glob("judges/test_*.py")]:
        own_business = {"test_promises.py", "test_org_storage.py", "test_bulk_csv_rules.py"}
        assert path.name in README or path.name in own_business, path.name
