"""Known vulnerabilities of the versions in tested.txt, by pip-audit from the database OSV.

Ends with 0 if none is known, 1 if there are some, 75 if the database or pip-audit itself cannot be
reached, so that nothing is known, and 2 if anything else went wrong.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSIONS = HERE / "tested.txt"
CLEAN, VULNERABLE, FAILED, UNREACHABLE = 0, 1, 2, 75
NO_NETWORK = re.compile(
    r"ConnectionError|NameResolutionError|Timeout|timed out|Max retries|ProxyError|"
    r"No matching distribution|Connection refused"
)
"""What pip and pip-audit say when they reach nobody."""


def installed(environment: Path) -> subprocess.CompletedProcess[str]:
    """Install pip-audit into an environment of its own, which leaves that of the tests alone."""
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.run([*command, "pip-audit"], capture_output=True, text=True, check=False)


def audited(environment: Path, versions: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pip-audit on a list of versions; nothing is resolved or installed."""
    command = [str(environment / "bin" / "pip-audit"), "--requirement", str(versions)]
    command += ["--no-deps", "--disable-pip", "--vulnerability-service", "osv"]
    command += ["--format", "json", "--progress-spinner", "off", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verdict(output: str, errors: str) -> tuple[int, list[str]]:
    """The exit code and the lines to print, from what pip-audit wrote."""
    try:
        packages = json.loads(output)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return failure("the database of vulnerabilities", errors)
    skipped = [f"not looked up: {p['name']} ({p['skip_reason']})" for p in packages if _skipped(p)]
    found = [
        f"{package['name']} {package['version']}: {fault['id']}, "
        f"mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
        for package in packages
        for fault in package.get("vulns", [])
    ]
    n_looked_up = len(packages) - len(skipped)
    if not n_looked_up:
        return FAILED, [*skipped, "no version was looked up"]
    summary = f"{n_looked_up} versions of {VERSIONS.name}, {len(found)} known vulnerabilities"
    return (VULNERABLE if found else CLEAN), [*found, *skipped, summary]


def failure(what: str, errors: str) -> tuple[int, list[str]]:
    """The exit code and the lines to print when there is no answer."""
    last = (errors.strip().splitlines() or ["no message"])[-1]
    if NO_NETWORK.search(errors):
        return UNREACHABLE, [f"{what} cannot be reached: nothing is known about the versions", last]
    return FAILED, [f"{what} gave no answer", last]


def _skipped(package: dict[str, object]) -> bool:
    return "skip_reason" in package


def main(arguments: list[str]) -> int:
    """Audit in the environment that the first argument names; the others are for pip-audit."""
    environment = Path(arguments[0])
    done = installed(environment)
    if done.returncode:
        code, lines = failure("the package pip-audit", done.stderr)
    else:
        done = audited(environment, VERSIONS, *arguments[1:])
        code, lines = verdict(done.stdout, done.stderr)
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
