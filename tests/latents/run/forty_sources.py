"""An archive of forty sources on the loopback, made of the observed spectra of a few.

Each detection has the counts of an observed spectrum, thinned; its background, exposure and
responses are those observed. So counts are Poisson, and classes are told apart by what the sources
really are. The replies have the form that the documentation of the service gives; no service was
asked.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.latents.conftest import REPLY, Archive, tar_of

KINDS = {
    "quasar": ("9774",),
    "M101": ("acisf04736_000N001_r0079", "acisf02779_001N001_r0004"),
    "4938": ("acisf04938_000N002_r0043",),
    "1575": ("acisf01575_001N001_r0085",),
}
REFERENCES = {
    "quasar": ("2010A&A...518A..10V", "LAMOST-DR8-AFGK", "LAMOST-DR8-AFGK"),
    "M101": ("2006A&A...455.1165L", "1956ApJ...124..530S"),
    "4938": ("2012AJ....144..192M", "2019ApJS..241...32L"),
    "1575": ("2012AJ....144..192M",),
}
N_SOURCES = 40


@dataclass
class MadeSource:
    """One source: its name and position in the catalog, its class, and its detections."""

    name: str
    ra: float
    dec: float
    kind: str
    reference: str
    detections: list[tuple[int, int, int]]


def made_sources() -> list[MadeSource]:
    kinds = list(KINDS)
    out = []
    for k in range(N_SOURCES):
        kind = kinds[k % len(kinds)]
        letter = {3: "A", 7: "X"}.get(k, "")
        references = REFERENCES[kind]
        numbers = [(1000 + 10 * k + i, i % 2, 1 + k) for i in range(1 + (k % 8 == 1))]
        out.append(
            MadeSource(
                f"2CXO J{k:02d}1500.0+300000{letter}", 3.75 + 9.0 * k, 30.0, kind,
                references[k // 4 % len(references)], numbers,
            )
        )  # fmt: skip
    return out


class FortySources:
    """Answers queries and requests for files of the sources."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = made_sources()
        self.of = {numbers: one for one in self.sources for numbers in one.detections}

    def serve(self, archive: Archive) -> None:
        archive.query = self.query
        archive.retrieve = self.retrieve

    def query(self, adql: str) -> tuple[int, bytes]:
        head = REPLY.decode().partition("<DATA>")[0]
        chosen = self.sources
        if named := re.search(r"m\.name IN \(([^)]*)\)", adql):
            chosen = [one for one in self.sources if repr(one.name) in named[1]]
        elif cones := re.findall(r"m\.dec, ([\d.]+), ([-\d.]+)\) <= ([\d.]+)", adql):
            chosen = [one for one in self.sources if _inside(one, cones)]
        rows = "".join(
            f"<TR><TD>{one.name}</TD><TD>{one.ra}</TD><TD>{one.dec}</TD><TD>1.2</TD>"
            f"<TD>{obsid}</TD><TD>{obi}</TD><TD>{region}</TD>" + "<TD>1</TD>" * 9 + "</TR>"
            for one in chosen
            for obsid, obi, region in one.detections
        )
        end = "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
        return 200, f"{head}<DATA><TABLEDATA>{rows}{end}".encode()

    def retrieve(self, obsid: int, obi: int, region: int) -> tuple[int, bytes]:
        one = self.of[obsid, obi, region]
        originals = KINDS[one.kind]
        return 200, tar_of(self._files(originals[obsid % len(originals)], obsid, obi, region))

    def _files(self, original: str, obsid: int, obi: int, region: int) -> dict[str, bytes]:
        stem = f"acisf{obsid:05d}_{obi:03d}N020_r{region:04d}"
        names = {kind: f"{stem}_{kind}3.fits" for kind in ("pha", "arf", "rmf")}
        if original == "9774":
            places = {"arf": self.folder / "9774.arf", "rmf": self.folder / "9774.rmf"}
            hdus = [_table(self.folder / "9774.pi"), _table(self.folder / "9774_bg.pi")]
        else:
            places = {k: self.folder / f"{original}_{k}3.fits.gz" for k in ("arf", "rmf")}
            with fits.open(self.folder / f"{original}_pha3.fits.gz") as opened:
                hdus = [hdu.copy() for hdu in opened if hdu.name == "SPECTRUM"][:2]
        source, around = hdus
        rng = np.random.default_rng([obsid, obi, region])
        share = min(1.0, 10 ** rng.uniform(1.9, 2.9) / source.data["COUNTS"].sum())
        source.data["COUNTS"] = rng.binomial(source.data["COUNTS"].astype(int), share)
        source.header["EXPOSURE"] = source.header["EXPOSURE"] * share
        around.header["HDUCLAS2"] = "BKG"
        for hdu in (source, around):
            hdu.header["OBS_ID"] = str(obsid)
            hdu.header["BACKFILE"] = names["pha"]
            hdu.header["RESPFILE"], hdu.header["ANCRFILE"] = names["rmf"], names["arf"]
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), source, around]).writeto(buffer, output_verify="ignore")
        out = {names["pha"]: buffer.getvalue()}
        for kind, place in places.items():
            ending = ".gz" if place.name.endswith(".gz") else ""
            out[names[kind] + ending] = place.read_bytes()
        return out


def _table(path: Path) -> fits.BinTableHDU:
    with fits.open(path) as opened:
        hdu = opened["SPECTRUM"]
        columns = [c for c in hdu.columns if c.name in ("CHANNEL", "COUNTS")]
        new = fits.BinTableHDU.from_columns(
            [fits.Column(c.name, c.format, array=hdu.data[c.name]) for c in columns]
        )
        for key in ("EXTNAME", "HDUCLAS1", "HDUCLAS2", "EXPOSURE", "BACKSCAL", "AREASCAL",
                    "TELESCOP", "INSTRUME", "DETCHANS"):  # fmt: skip
            if key in hdu.header:
                new.header[key] = hdu.header[key]
    return new


def _inside(one: MadeSource, cones: list[tuple[str, str, str]]) -> bool:
    return any(
        np.hypot((one.ra - float(ra)) * np.cos(np.radians(one.dec)), one.dec - float(dec)) * 60
        <= float(radius)
        for ra, dec, radius in cones
    )
