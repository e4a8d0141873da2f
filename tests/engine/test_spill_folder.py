"""What a worker spills is unpickled when it comes back: nobody else may have a hand in it."""

import os
import stat
from pathlib import Path

import pytest

from survey.config import EngineSettings
from survey.engine.cluster import connect
from survey.engine.spill_folder import refuse_foreign_folder, spill_folder
from survey.errors import ConfigError

NAME = f"survey-{os.geteuid()}"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_the_folder_is_for_its_owner_and_the_same_every_time(tmp_path: Path) -> None:
    folder = spill_folder(tmp_path / "scratch")
    assert folder == tmp_path / "scratch" / NAME
    assert mode(folder) == 0o700
    folder.chmod(0o777)
    assert spill_folder(tmp_path / "scratch") == folder
    assert mode(folder) == 0o700


@as_root
def test_a_folder_that_somebody_else_made_first_is_not_used(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir(mode=0o777)
    os.chown(tmp_path / NAME, 65534, 65534)
    folder = spill_folder(tmp_path)
    assert folder != tmp_path / NAME
    assert (folder.parent, folder.stat().st_uid, mode(folder)) == (tmp_path, os.geteuid(), 0o700)


def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    folder = spill_folder(tmp_path)
    assert not folder.is_symlink()
    assert folder.resolve() != tmp_path / "elsewhere"


def test_workers_of_this_machine_spill_into_it(tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(f'kind = "local"\nworkers = 1\nmemory_limit = "1GiB"\nscratch = "{tmp_path}"\n')
    with connect(EngineSettings(cluster=str(file), dashboard=False)) as client:
        (folder,) = client.run(lambda dask_worker: dask_worker.local_directory).values()
        assert Path(folder).is_relative_to(tmp_path / NAME)


def test_a_worker_that_was_started_by_hand_refuses_a_folder_that_all_may_write_to(
    tmp_path: Path,
) -> None:
    refuse_foreign_folder(tmp_path)
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match=r"folder of other users.*mode 777"):
        refuse_foreign_folder(tmp_path)
    tmp_path.chmod(0o1777)
    refuse_foreign_folder(tmp_path)


@as_root
def test_it_refuses_a_folder_of_another_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(ConfigError, match="owner 65534"):
        refuse_foreign_folder(tmp_path)
