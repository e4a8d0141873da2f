import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from survey.engine.backends.base import TRIM_THRESHOLD
from survey.engine.backends.certificates import CertificateFiles, write_certificates
from survey.errors import ConfigError

PRE_SPAWN_NAMES = """
import dask, distributed
set_by_nannies = dask.config.get("distributed.nanny.pre-spawn-environ")
print(*(name for name, value in set_by_nannies.items() if value is not None))
"""


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o377])
def test_only_their_owner_may_read_the_files_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    before = os.umask(umask)
    try:
        files = write_certificates(folder, days=1)
    finally:
        os.umask(before)
    paths = {files.authority, files.certificate, files.key, files.script}
    assert set(folder.iterdir()) == paths, "the key of the authority is not kept"
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_a_new_folder_is_closed_to_others(tmp_path: Path) -> None:
    write_certificates(tmp_path / "new", days=1)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_the_certificate_is_signed_by_the_authority_and_valid_for_the_days_asked_for(
    tmp_path: Path,
) -> None:
    files = write_certificates(tmp_path, days=30)
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    certificate.verify_directly_issued_by(authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    left = certificate.not_valid_after_utc - datetime.now(tz=UTC)
    assert timedelta(days=30, minutes=-5) < left <= timedelta(days=30)


@pytest.mark.parametrize("name", ["ca.pem", "survey.pem", "survey.key", "environment.sh"])
def test_certificates_that_something_may_run_with_are_not_replaced(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=rf"{name}.*certificates are here already"):
        write_certificates(tmp_path, days=1)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "mine")]


def test_the_environment_of_the_files_leaves_the_thresholds_of_the_c_library_to_workers(
    tmp_path: Path,
) -> None:
    others = {name: value for name, value in os.environ.items() if name != TRIM_THRESHOLD}
    done = subprocess.run(
        [sys.executable, "-c", PRE_SPAWN_NAMES],
        env=others | CertificateFiles(tmp_path).environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    names = done.stdout.split()
    assert "OMP_NUM_THREADS" in names, "the variables of a nanny"
    assert "MALLOC_ARENA_MAX" in names
    assert TRIM_THRESHOLD not in names
