"""How a simulated galaxy is observed: sampling, pointing, field of view, depth and faults."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from catalogs.reference import packaged_reference
from survey.errors import ConfigError
from survey.simulate.instruments import Mode, law_of, modes

Array = NDArray[np.float64]

MULTIPLE_BANDS = "MULTIPLE"
MIN_PLANES = 20
MIN_SPAXELS = 4


@dataclass(frozen=True)
class Observation:
    """One cube of MIRI/MRS, channel 3 or 4, or of MUSE.

    Parameters
    ----------
    shape : (ny, nx)
        Spaxels of the cube.
    window : str or (low, high)
        Observed wavelengths in micron, or a named window such as "ch3", "ch3-short", "ch4", "muse".
    snr : float
        Continuum signal-to-noise per sample at the pivot wavelength of the spectra (rest frame;
        the nearest wavelength observed), median of the field.
    position_angle_deg : float
        Direction of the +y axis of the cube, east of north.
    field_rotation_deg : float
        Rotation of the field of view in the cube; its corners hold no data.
    pointing_offset_arcsec : (east, north)
        From the target to the centre of the cube.
    fringe_amplitude : float
        Relative amplitude of the fringes; 0.01 is what a reduction leaves.
    error_understatement : float, optional
        True noise over the written errors; that of observed cubes unless given.
    nan_spaxels : int
        Spaxels of the field without data.
    """

    shape: tuple[int, int] = (52, 50)
    window: str | tuple[float, float] = "ch3"
    snr: float = 20.0
    position_angle_deg: float = 69.0
    field_rotation_deg: float = 5.0
    pointing_offset_arcsec: tuple[float, float] = (0.07, -0.05)
    fringe_amplitude: float = 0.0
    error_understatement: float | None = None
    nan_spaxels: int = 3

    def __post_init__(self) -> None:
        low, high = self.window_um
        if not self._holding():
            ranges = " or ".join("{}-{}".format(*mode.range_um) for mode in modes().values())
            raise ConfigError(
                "wavelength window out of range",
                expected=f"a range within {ranges} micron",
                found=f"{low}-{high} micron",
            )
        if self.fringe_amplitude and not law_of(self.mode.instrument, "fringes"):
            raise ConfigError(
                "impossible fringes",
                expected=f"an amplitude of 0 for {self.mode.instrument}",
                found=str(self.fringe_amplitude),
            )
        if len(self.wavelength_um) < MIN_PLANES:
            raise ConfigError(
                "wavelength window too narrow",
                expected=f"{MIN_PLANES} planes of {self.step_um} micron",
                found=f"{low}-{high} micron",
            )
        if min(self.shape) < MIN_SPAXELS:
            raise ConfigError(
                "cube too small", expected=f"{MIN_SPAXELS} spaxels a side", found=str(self.shape)
            )
        if not self.snr > 0:
            raise ConfigError("impossible S/N", expected="a positive number", found=str(self.snr))

    @property
    def mode(self) -> Mode:
        """The mode of the instrument that holds the window."""
        return self._holding()[0]

    @property
    def spaxel_arcsec(self) -> float:
        """Side of a spaxel."""
        return self.mode.spaxel_arcsec

    @property
    def spaxel_sr(self) -> float:
        """Solid angle of a spaxel."""
        return float(np.deg2rad(self.spaxel_arcsec / 3600) ** 2)

    @property
    def step_um(self) -> float:
        """Width of a plane."""
        return self.mode.step_um

    @property
    def noise_over_error(self) -> float:
        """True noise over the written errors."""
        if self.error_understatement is not None:
            return self.error_understatement
        return float(law_of(self.mode.instrument, "noise")["error_understatement"])

    @property
    def window_um(self) -> tuple[float, float]:
        """First and last wavelength, observed frame."""
        if isinstance(self.window, str):
            if self.window in modes():
                return modes()[self.window].range_um
            return packaged_reference().window(self.window)
        return self.window

    @property
    def band(self) -> str:
        """Value of the BAND keyword of MRS: the sub-band that holds the window, or MULTIPLE."""
        low, high = self.window_um
        for name, (first, last) in self.mode.sub_bands.items():
            if first <= low and high <= last:
                return name.upper()
        return MULTIPLE_BANDS

    @property
    def edges_um(self) -> Array:
        """Edges of the planes."""
        low, high = self.window_um
        n_planes = round((high - low) / self.step_um)
        return low + self.step_um * np.arange(n_planes + 1.0)

    @property
    def wavelength_um(self) -> Array:
        """Centres of the planes."""
        return self.edges_um[:-1] + self.step_um / 2

    def seam_planes(self) -> NDArray[np.bool_]:
        """Planes without data, where the sub-bands are joined."""
        n_planes = law_of(self.mode.instrument, "seams")["planes"]
        bad = np.zeros(len(self.wavelength_um), dtype=bool)
        for (_, last), (first, _) in pairwise(self.mode.sub_bands.values()):
            seam = (last + first) / 2
            bad |= np.abs(self.wavelength_um - seam) < n_planes * self.step_um / 2
        return bad

    def field_depth(self) -> Array:
        """Exposures per spaxel: zero outside the rotated field, fewer towards its edge."""
        coverage = law_of(self.mode.instrument, "coverage")
        ny, nx = self.shape
        angle = np.deg2rad(self.field_rotation_deg)
        y, x = np.indices(self.shape) - np.array([(ny - 1) / 2, (nx - 1) / 2])[:, None, None]
        along = np.abs(x * np.cos(angle) + y * np.sin(angle))
        across = np.abs(y * np.cos(angle) - x * np.sin(angle))
        inside = np.minimum(nx / 2 - along, ny / 2 - across)
        rise = np.clip((inside + 1) / (coverage["edge_spaxels"] + 1), 0, 1)
        depth: Array = np.where(inside < 0, 0.0, np.ceil(coverage["weight"] * rise))
        return depth

    def sky_offsets(self, ra_deg: float, dec_deg: float, margin: int) -> tuple[Array, Array]:
        """Offsets (arcsec) east and north of the target, of spaxels and of a margin of them."""
        wcs = WCS(self.header(ra_deg, dec_deg)).celestial
        y, x = np.indices([n + 2 * margin for n in self.shape]) - margin
        spaxels = wcs.pixel_to_world(x, y)
        target = SkyCoord(ra_deg, dec_deg, unit="deg", frame=spaxels.frame)
        east, north = target.spherical_offsets_to(spaxels)
        return east.to_value("arcsec"), north.to_value("arcsec")

    def target_pixel(self, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        """Pixel position (x, y; first pixel centre at 0) of the target."""
        x, y = WCS(self.header(ra_deg, dec_deg)).celestial.world_to_pixel_values(ra_deg, dec_deg)
        return float(x), float(y)

    def header(self, ra_deg: float, dec_deg: float) -> fits.Header:
        """World coordinates as the pipeline writes them: positive steps, mirror in PC."""
        centre = SkyCoord(ra_deg, dec_deg, unit="deg").spherical_offsets_by(
            *(self.pointing_offset_arcsec * units.arcsec)
        )
        cosine = float(np.cos(np.deg2rad(self.position_angle_deg)))
        sine = float(np.sin(np.deg2rad(self.position_angle_deg)))
        step_deg = self.spaxel_arcsec / 3600
        ny, nx = self.shape
        cards: dict[str, Any] = {
            "RADESYS": "ICRS",
            "WCSAXES": 3,
            "CRPIX1": float(nx // 2 + 1),
            "CRPIX2": float(ny // 2 + 1),
            "CRPIX3": 1.0,
            "CRVAL1": float(centre.ra.wrap_at("180d").deg),
            "CRVAL2": float(centre.dec.deg),
            "CRVAL3": float(self.wavelength_um[0]),
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CTYPE3": "WAVE",
            "CUNIT1": "deg",
            "CUNIT2": "deg",
            "CUNIT3": "um",
            "CDELT1": step_deg,
            "CDELT2": step_deg,
            "CDELT3": self.step_um,
            "PC1_1": -cosine,
            "PC1_2": sine,
            "PC2_1": sine,
            "PC2_2": cosine,
            "PC3_3": 1.0,
            "SPECSYS": "BARYCENT",
        }
        return fits.Header(cards)

    def _holding(self) -> list[Mode]:
        """Modes that hold the whole window; channels overlap."""
        low, high = self.window_um
        return [
            mode for mode in modes().values() if mode.range_um[0] <= low < high <= mode.range_um[1]
        ]
