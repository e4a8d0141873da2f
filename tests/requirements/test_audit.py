"""What `make audit` concludes from what pip-audit 2.10 writes."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "requirements" / "audit.py"

GOOD = {"name": "numpy", "version": "2.4.1", "vulns": []}
BAD = {
    "name": "pillow",
    "version": "13.0.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["13.0.1"], "aliases": [], "description": "y"}],
}
SKIPPED = {"name": "torch", "skip_reason": "not a version"}


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([GOOD], 0, "1 versions of tested.txt, 0 known"),
        ([GOOD, BAD], 1, "pillow 13.0.0: CVE-1, mended in 13.0.1"),
        ([GOOD, SKIPPED], 0, "not looked up: torch (not a version)"),
        ([SKIPPED], 2, "no version was looked up"),
    ],
)
def test_the_exit_code_says_whether_a_vulnerability_is_known(audit, packages, code, words) -> None:
    found, lines = audit.verdict(json.dumps({"dependencies": packages, "fixes": []}), "")
    assert found == code
    assert words in "\n".join(lines)


@pytest.mark.parametrize(
    ("errors", "code", "words"),
    [
        ("x\nrequests.exceptions.ConnectionError: Max retries exceeded", 75, "cannot be reached"),
        ("x\nrequests.exceptions.ReadTimeout: Read timed out.", 75, "cannot be reached"),
        ("usage: pip-audit\nerror: no such option", 2, "gave no answer"),
        ("", 2, "no message"),
    ],
)
def test_silence_is_not_taken_for_safety(audit, errors: str, code: int, words: str) -> None:
    found, lines = audit.verdict("", errors)
    assert found == code
    assert words in "\n".join(lines)


def test_it_says_so_where_nothing_can_be_installed(tmp_path: Path) -> None:
    """With an index that nobody serves."""
    command = [sys.executable, SCRIPT, tmp_path / "environment"]
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_INDEX": "0"}
    nowhere |= {"PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=nowhere, capture_output=True, text=True, check=False)
    assert done.returncode == 75
    assert "pip-audit cannot be reached: nothing is known" in done.stderr
