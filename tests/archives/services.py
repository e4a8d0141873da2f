"""Replies of archives, written by hand after their documentation, and not tried on the services."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from astropy.io import fits

from catalogs.reference import load_gatos_sample

BANDS = ("short", "medium", "long")


def cube_bytes(seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    hdus = fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(rng.normal(size=(30, 20, 20)), name="SCI")]
    )
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


@dataclass
class Mast:
    """The Mashup API: observations of the sample, their products, names of objects."""

    observations: list[dict[str, Any]] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, tuple[float, float]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    executing: int = 0
    page: int = 1000

    def observe(
        self, target: str, program: int, ra: float, dec: float, *, single: bool = True,
        rights: str = "PUBLIC",
    ) -> str:  # fmt: skip
        """An observation with the products of all channels."""
        number = len(self.observations) + 1
        obs_id = f"jw{program:05d}-o{number:03d}_t001_miri"
        self.observations.append(
            {
                "obsid": 1000 + number, "obs_id": obs_id, "target_name": target,
                "proposal_id": str(program), "s_ra": ra, "s_dec": dec, "obs_collection": "JWST",
                "instrument_name": "MIRI/IFU", "calib_level": 3, "dataRights": rights,
            }
        )  # fmt: skip
        for channel in range(1, 5):
            for band in BANDS if single else ["shortmediumlong"]:
                self.add(f"{obs_id}_ch{channel}-{band}_s3d.fits", number, obs_id, rights)
        self.add(f"{obs_id}_ch3-short_x1d.fits", number, obs_id, rights, group="X1D")
        return obs_id

    def add(self, name: str, number: int, obs_id: str, rights: str, *, group: str = "S3D") -> None:
        content = cube_bytes(len(self.files))
        self.files[f"mast:JWST/product/{name}"] = content
        self.products.append(
            {
                "obsID": str(1000 + number), "obs_id": obs_id, "productFilename": name,
                "dataURI": f"mast:JWST/product/{name}", "productType": "SCIENCE",
                "productSubGroupDescription": group, "calib_level": 3, "size": len(content),
                "dataRights": rights,
            }
        )  # fmt: skip

    def answer(self, path: str, body: bytes) -> tuple[int, bytes] | None:
        if not path.startswith("api/v0/invoke"):
            return None
        request = json.loads(parse_qs(body.decode())["request"][0])
        self.asked.append(request)
        if self.executing:
            self.executing -= 1
            return 200, json.dumps({"status": "EXECUTING", "msg": "", "data": []}).encode()
        params = request["params"]
        if request["service"] == "Mast.Name.Lookup":
            place = self.names.get(params["input"])
            found = [{"ra": place[0], "decl": place[1]}] if place else []
            return 200, json.dumps({"resolvedCoordinate": found}).encode()
        if request["service"] == "Mast.Caom.Products":
            wanted = params["obsid"].split(",")
            rows = [row for row in self.products if row["obsID"] in wanted]
        else:
            filters = {one["paramName"]: one["values"] for one in params["filters"]}
            rows = [
                row for row in self.observations
                if all(row[name] in values for name, values in filters.items())
            ]  # fmt: skip
        pages = -(-len(rows) // self.page) or 1
        first = (request["page"] - 1) * self.page
        reply = {
            "status": "COMPLETE", "msg": "", "data": rows[first : first + self.page],
            "paging": {"page": request["page"], "pagesFiltered": pages},
        }  # fmt: skip
        return 200, json.dumps(reply).encode()


def gatos() -> Mast:
    """The observations of the sample, with what else its programmes have."""
    mast = Mast()
    for one in load_gatos_sample():
        name = one.galaxy.upper().replace(" ", "-")
        mast.observe(name, one.program, one.ra_deg + 1e-4, one.dec_deg)
        mast.observe(f"{name}-BKG", one.program, one.ra_deg + 0.05, one.dec_deg)
    return mast
