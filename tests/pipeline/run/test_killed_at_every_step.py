"""A driver killed before any change of the file system leaves a run that goes on as if nothing was.

After each kill pandas reads the catalog, the same work goes on to its end, nothing unfinished is
left, and the catalog is that of an undisturbed run. `kill_steps.py` does the same for every step.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from catalogs.part_tables import write_part_table
from catalogs.publish import publish
from catalogs.schema import to_arrow
from tests.catalogs.conftest import celestial_header, make_part, part_tables, write_tables
from tests.catalogs.test_survey_parts import classified

__all__ = ["celestial_header", "make_part", "part_tables", "write_tables"]

PROGRAM = Path(__file__).with_name("kill_steps.py")


def kills(work: str, folder: Path, **options: int) -> int:
    given = [f"--{name}={value}" for name, value in options.items()]
    # Warnings that threads and forks do not mix are for those who have threads.
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PROGRAM), work, str(folder), *given]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_commit_and_publication_survive_a_kill_at_every_third_step(
    tmp_path, make_part, part_tables
):
    parts = [make_part(f"NGC {i}", float(i)) for i in (1, 2)]
    publish(tmp_path, parts, survey_parts=[classified(tmp_path, parts)])
    before = tmp_path / "kills" / "before"
    shutil.copytree(tmp_path, before, symlinks=True, ignore=lambda *_: ["kills"])
    staged = tmp_path / "kills" / "staged"
    staged.mkdir()
    for name, rows in part_tables("NGC 4", 4.0).items():
        write_part_table(staged, name, to_arrow(name, rows))
    assert kills("commit", tmp_path / "kills", every=3) >= 20


def test_a_whole_survey_survives_kills_at_steps_of_all_stages(tmp_path, archive):
    before = tmp_path / "before"
    before.mkdir()
    shutil.copytree(archive, tmp_path, dirs_exist_ok=True)
    first = random.Random(12).randrange(1, 60)
    assert kills("survey", tmp_path, first=first, every=60) >= 5
