"""What the command line does with errors and warnings of any command."""

import errno
from pathlib import Path

import pytest
import typer

from catalogs.parts import DamagedPartWarning
from survey.cli.app import _show_warning, guard_paths
from survey.errors import MachineError


@pytest.fixture
def full_disk():
    """Makes the callback of a command that finds the disk full, with an error that has no name."""

    def command(**parameters):
        app = typer.Typer()

        @app.command()
        def write(**given: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        guard_paths(app)
        (registered,) = app.registered_commands
        return lambda: registered.callback(**parameters)

    return command


@pytest.mark.parametrize("name", ["out", "path", "root"])
def test_a_full_disk_is_named_by_where_the_command_writes(full_disk, name, tmp_path):
    with pytest.raises(MachineError) as caught:
        full_disk(**{"galaxy": "N7469", name: tmp_path})()
    assert Path(caught.value.file) == tmp_path
    assert "the disk is full" in str(caught.value)


def test_what_a_command_writes_stands_above_the_run_that_it_reads(full_disk, tmp_path):
    with pytest.raises(MachineError) as caught:
        full_disk(root=Path("run"), path=tmp_path / "table.csv")()
    assert Path(caught.value.file) == tmp_path / "table.csv"


def test_warnings_of_our_own_are_a_line_and_others_keep_their_place(capsys):
    _show_warning("the part was discarded", DamagedPartWarning, "code.py", 1)
    assert capsys.readouterr().err == "warning: the part was discarded\n"
    _show_warning("old", DeprecationWarning, "code.py", 7)
    assert "code.py:7: DeprecationWarning: old" in capsys.readouterr().err
