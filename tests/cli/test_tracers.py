"""`survey validate --tracers` ends with 64 if a tracer failed, and 2 for a file that is wrong."""

import json
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from survey.cli import app
from survey.errors import ConfigError

runner = CliRunner()


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The command with a validation that succeeds, and tracers that end as given."""
    from survey.engine import cluster
    from survey.pipeline.validation import run, tracers
    from survey.report import run as report

    order: list[str] = []

    @contextmanager
    def no_cluster(*args, **more):
        yield None

    def command(failures: dict[str, dict[str, str]]):
        def measure(*args, **more):
            order.append("tracers")
            return SimpleNamespace(counts={"related": 1}, failures=failures)

        def validate(*args, **more):
            order.append("validation")
            return SimpleNamespace(counts={"robust": 1}, failures={})

        monkeypatch.setattr(cluster, "LazyCluster", no_cluster)
        monkeypatch.setattr(run, "plan_validation", lambda *a: SimpleNamespace(engine=None))
        monkeypatch.setattr(run, "validate_run", validate)
        monkeypatch.setattr(tracers, "measure_tracers", measure)
        monkeypatch.setattr(report, "write_index_pages", lambda root: root / "index.html")
        file = tmp_path / "tracers.toml"
        file.write_text('[bpt]\nkind = "classes"\nmap = "bpt.fits"\n')
        return runner.invoke(app, ["validate", str(tmp_path), "--tracers", str(file), "--json"])

    command.order = order  # type: ignore[attr-defined]
    return command


def test_a_failed_tracer_is_an_exit_code_of_its_own_and_stops_nothing(validated):
    found = validated({"NGC 1": {"bpt": "no such file"}})
    assert found.exit_code == 64
    said = json.loads(found.stdout)
    assert said["tracers"] == {"related": 1, "failures": {"NGC 1": {"bpt": "no such file"}}}
    assert said["robust"] == 1
    assert validated.order == ["tracers", "validation"]


def test_tracers_without_a_failure_end_well(validated):
    assert validated({}).exit_code == 0


def test_a_file_that_is_wrong_stops_before_any_work(tmp_path):
    file = tmp_path / "tracers.toml"
    file.write_text('[bpt]\nkind = "classes"\n')
    found = runner.invoke(app, ["validate", str(tmp_path), "--tracers", str(file)])
    assert isinstance(found.exception, ConfigError)
    assert "one of map, maps and table" in str(found.exception)
