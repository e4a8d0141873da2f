"""Keys and certificates for the connections of a cluster, all with elliptic curves (P-256).

Dask asks every process for a certificate that is signed by the authority of the cluster, and
compares no host names. So one certificate serves scheduler, workers and driver on all machines,
and whoever has its key is inside.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit
from distributed import Security

from survey.engine.backends.base import (
    ALLOCATION_VARIABLE,
    ALLOWED_FAILURES,
    SCHEDULING,
    WORKER_SATURATION,
)
from survey.errors import ConfigError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

TEMPORARY_DAYS = 365
CLOCKS_DIFFER = timedelta(days=1)
"""How much clocks of two machines may differ: a certificate is valid from that long ago."""

ROLES = ("client", "scheduler", "worker")


def tls_options(authority: str, certificate: str, key: str) -> dict[str, str | bool]:
    """Arguments of `distributed.Security`, with one certificate in every role.

    Parameters
    ----------
    authority, certificate, key : str
        Paths of PEM files, or the text of PEM files.
    """
    options: dict[str, str | bool] = {"require_encryption": True, "tls_ca_file": authority}
    for role in ROLES:
        options[f"tls_{role}_cert"] = certificate
        options[f"tls_{role}_key"] = key
    return options


def temporary_security() -> Security:
    """TLS for one cluster with a key that is in memory alone.

    The certificate is signed by its own key, and is the only one that is let in.
    """
    key = _new_key()
    certificate = _pem(_signed("survey temporary", key, days=TEMPORARY_DAYS))
    return Security(**tls_options(certificate, certificate, _key_pem(key)))


@dataclass(frozen=True)
class CertificateFiles:
    """Where the files for TLS are: the authority, and the certificate with its key."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate of the authority, which says who is trusted."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """What every process of the cluster shows."""
        return self.folder / "survey.pem"

    @property
    def key(self) -> Path:
        """The private key of the certificate."""
        return self.folder / "survey.key"

    @property
    def script(self) -> Path:
        """A shell script to source that sets `environment`."""
        return self.folder / "environment.sh"

    def environment(self) -> dict[str, str]:
        """Variables by which Dask's own commands and `survey` take these files for tls://.

        Scheduler and workers also get the settings that we give to those that we start.
        """
        dask = "DASK_DISTRIBUTED__COMM__"
        variables = {
            f"{dask}REQUIRE_ENCRYPTION": "True",
            f"{dask}TLS__CA_FILE": str(self.authority),
        }
        for role in ROLES:
            variables[f"{dask}TLS__{role.upper()}__CERT"] = str(self.certificate)
            variables[f"{dask}TLS__{role.upper()}__KEY"] = str(self.key)
        for name in (ALLOWED_FAILURES, WORKER_SATURATION):
            variable = name.replace(".", "__").replace("-", "_").upper()
            variables[f"DASK_{variable}"] = str(SCHEDULING[name])
        name, value = ALLOCATION_VARIABLE
        return variables | {name: value}

    def as_shell(self) -> str:
        """The lines of a shell that export `environment`."""
        exports = (f"export {name}={shlex.quote(to)}" for name, to in self.environment().items())
        return "".join(f"{line}\n" for line in exports)

    def as_toml(self) -> str:
        """The table of a cluster file that names these files."""
        table = tomlkit.table()
        table.update(
            {"ca": str(self.authority), "certificate": str(self.certificate), "key": str(self.key)}
        )
        return tomlkit.dumps({"tls": table})


def write_certificates(folder: Path, *, days: int) -> CertificateFiles:
    """Make the certificates of one cluster, which only their owner may read.

    The key of the authority is not kept: nobody else is to be let in by it.

    Parameters
    ----------
    folder : Path
        Is made if it is missing.
    days : int
        How long the certificates are valid.

    Raises
    ------
    ConfigError
        If one of the files exists: processes that run with it would be locked out.
    """
    files = CertificateFiles(folder.resolve())
    paths = (files.authority, files.certificate, files.key, files.script)
    if existing := [path for path in paths if os.path.lexists(path)]:
        raise ConfigError(
            "certificates are here already",
            file=existing[0],
            expected="a folder without them",
            advice="Name another folder, or delete them once nothing runs with them any more.",
        )
    authority_key, key = _new_key(), _new_key()
    authority = _signed("survey cluster CA", authority_key, days=days)
    certificate = _signed("survey cluster", key, days=days, by=(authority, authority_key))
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = (_pem(authority), _pem(certificate), _key_pem(key), files.as_shell())
    for path, text in zip(paths, texts, strict=True):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask says
            file.write(text)
    return files


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _signed(
    name: str,
    key: EllipticCurvePrivateKey,
    *,
    days: int,
    by: tuple[x509.Certificate, EllipticCurvePrivateKey] | None = None,
) -> x509.Certificate:
    """A certificate of `key`, signed `by` an authority, or by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, issuer_key = (by[0].subject, by[1]) if by else (subject, key)
    now = datetime.now(tz=UTC)
    constraints = x509.BasicConstraints(ca=by is None, path_length=None)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(constraints, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
