"""A class map and a velocity map of SAMI 209807, made of the published line maps."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from catalogs.reference import packaged_reference
from survey.classes.demarcations import Demarcation, classify_plane

CLASSES = ("SF", "composite", "AGN")
LEAST_SNR = 3.0
LINES = ("Halpha", "Hbeta", "NII6583", "OIII5007")


def published(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A map of 209807 and its error; the total where there are several components."""
    with fits.open(folder / f"209807_A_{name}_default_1-comp.fits") as file:
        value, error = file[0].data, file[1].data
    return (value[0], error[0]) if value.ndim == 3 else (value, error)


def celestial(folder: Path) -> fits.Header:
    """The coordinates of the maps."""
    header = fits.getheader(folder / "209807_A_gas-velocity_default_1-comp.fits")
    kept = ("CRPIX", "CDELT", "CRVAL", "CTYPE", "CUNIT")
    return fits.Header([(key, header[key]) for name in kept for key in (f"{name}1", f"{name}2")])


def bpt_codes(folder: Path) -> np.ndarray:
    """Classes 1, 2, 3 of `CLASSES` in the plane of [N II]; 0 where a line is below 3 sigma."""
    maps = {line: published(folder, line) for line in LINES}
    good = np.all([value > LEAST_SNR * error for value, error in maps.values()], axis=0)
    flux = {line: np.where(good, value, 1.0) for line, (value, _) in maps.items()}
    x = np.log10(flux["NII6583"] / flux["Halpha"])
    y = np.log10(flux["OIII5007"] / flux["Hbeta"])
    lines = [
        Demarcation(**asdict(row))
        for row in packaged_reference().demarcations
        if row.x.startswith("NII_") and row.name in ("Kauffmann2003", "Kewley2001")
    ]
    lines[-1] = replace(lines[-1], above="AGN")
    names = classify_plane(x.ravel(), y.ravel(), lines).reshape(x.shape)
    codes = sum(number * (names == name) for number, name in enumerate(CLASSES, 1))
    return np.where(good, codes, 0).astype(np.int16)


def velocity_by_sector(folder: Path) -> np.ndarray:
    """The gas velocity at the resolution of the cube: means over its sectors, by H alpha flux."""
    sectors = fits.getdata(folder / "209807_A_sectors_blue.fits.gz", "BIN_MASK")
    velocity, flux = published(folder, "gas-velocity")[0], published(folder, "Halpha")[0]
    found = np.full(velocity.shape, np.nan)
    for number in np.unique(sectors[sectors > 0]):
        own = (sectors == number) & np.isfinite(velocity) & (flux > 0)
        if own.any():
            found[own] = np.average(velocity[own], weights=flux[own])
    return found


def write_tracers(data: Path, folder: Path) -> Path:
    """Write the maps and the file that names them; returns the file."""
    header = celestial(data)
    fits.PrimaryHDU(bpt_codes(data), header).writeto(folder / "bpt.fits", overwrite=True)
    sectors = velocity_by_sector(data).astype(np.float32)
    fits.PrimaryHDU(sectors, header).writeto(folder / "sectors.fits", overwrite=True)
    names = ", ".join(f'{number} = "{name}"' for number, name in enumerate(CLASSES, 1))
    file = folder / "tracers.toml"
    file.write_text(
        f'[bpt]\nkind = "classes"\nmap = "bpt.fits"\nclasses = {{ {names} }}\n'
        '\n["gas velocity"]\nkind = "velocity"\nextension = 0\n'
        f'map = "{data.resolve()}/209807_A_gas-velocity_default_1-comp.fits"\n'
        '\n["gas velocity by sector"]\nkind = "velocity"\nmap = "sectors.fits"\n'
    )
    return file
