"""The point-spread function of an observed star: a Moffat profile, and what the star has besides.

The profile is fitted in bins of wavelength, and gives the sharp part of the image, which a map of
spaxels could not be shifted with. What is left, spikes and lopsided wings, is smooth enough to be
interpolated. It is kept in the axes of the cube: in cubes that are built along the axes of the
instrument it is at the same place in the star and in the galaxy. In cubes with north up it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.optimize import least_squares

from survey.errors import DataError
from survey.spectra.centre import photometric_centre
from survey.spectra.psf.profiles import moffat_share

BINS = 8
"""Bins of wavelength of a cube."""

FEWEST_SPAXELS = 50
REACH_FWHM = 3.5
"""Radius within which a star is measured, in its own widths; the sky is farther out."""

LEAST_SNR = 100.0
"""Of the brightest spaxel over the scatter of the sky in a bin; of fainter stars the wings are
lost in it."""

_FIRST_FWHM = 2.5
_SKY_BEYOND = 0.8
_FADES = 0.3

Floats = NDArray[np.float64]
Offsets = NDArray[np.floating]


@dataclass(frozen=True)
class StarProfile:
    """The profile of a star at L wavelengths, in the spaxels of a cube that it is used for.

    Attributes
    ----------
    fwhm : (L,) array
        Full width at half maximum of the Moffat profile.
    light : (L,) array
        Share of the Moffat profile.
    rest : (B, ny, nx) array
        Of the light of the star in the spaxels of its own cube, in bins of wavelength, where it
        differs from the profile.
    middle : (y, x)
        Position of the star on it.
    mix : (L, B) array
        Share of every bin in the rest at a wavelength.
    scale : (L,) array
        Spaxels of the star to one of the cube.
    """

    fwhm: Floats
    light: Floats
    rest: Floats
    middle: tuple[float, float]
    mix: Floats
    scale: Floats

    def share(self, dy: Offsets, dx: Offsets) -> Floats:
        """See `survey.spectra.psf.profiles.PointSpread`."""
        share = moffat_share(dy, dx, self.fwhm) * self.light
        for scale in np.unique(self.scale):
            planes = np.flatnonzero(self.scale == scale)
            places = [self.middle[0] + scale * dy, self.middle[1] + scale * dx]
            rest = np.stack([map_coordinates(image, places, order=3) for image in self.rest])
            share[:, planes] += scale**2 * (self.mix[planes] @ rest).T
        return share

    def of_planes(self, chosen: NDArray[np.integer] | slice) -> StarProfile:
        """See `survey.spectra.psf.profiles.PointSpread`."""
        parts = {name: getattr(self, name)[chosen] for name in ("fwhm", "light", "mix", "scale")}
        return replace(self, **parts)


@dataclass(frozen=True)
class ObservedStar:
    """A star in B bins of wavelength.

    Attributes
    ----------
    wavelength_um : (B,) array
        Observed frame, increasing.
    fwhm_arcsec, light : (B,) arrays
        Of the Moffat profile: its width, and its share of the light.
    rest : (B, ny, nx) array
        See `StarProfile`.
    middle : (y, x)
    spaxel_arcsec : float
    """

    wavelength_um: Floats
    fwhm_arcsec: Floats
    light: Floats
    rest: Floats
    middle: tuple[float, float]
    spaxel_arcsec: float

    @classmethod
    def of_cube(
        cls,
        flux: NDArray[np.floating],
        bad: NDArray[np.bool_],
        wavelength_um: Floats,
        spaxel_arcsec: float,
    ) -> ObservedStar:
        """Measure a cube of a star that is alone in its field.

        Parameters
        ----------
        flux : (L, y, x) array
        bad : (L, y, x) array of bool
        wavelength_um : (L,) array
            Observed frame.
        spaxel_arcsec : float

        Raises
        ------
        DataError
            If no star is seen.
        """
        half = int(np.ceil(REACH_FWHM * 2 * _FIRST_FWHM))
        middles, widths, lights, rests = [], [], [], []
        for piece in np.array_split(np.arange(len(wavelength_um)), min(BINS, len(wavelength_um))):
            image = _mean_image(flux[piece], bad[piece])
            fit = _fit_moffat(image)
            if fit is None:  # no data, as at the ends of a band, or too faint
                continue
            y, x, fwhm, light, rest = fit
            steps = np.arange(-half, half + 1)
            places = np.meshgrid(y + steps, x + steps, indexing="ij")
            # All bins with the star at one place: it moves along the band by parts of a spaxel.
            rests.append(map_coordinates(rest, places, order=3))
            middles.append(wavelength_um[piece].mean())
            widths.append(fwhm * spaxel_arcsec)
            lights.append(light)
        if not middles:
            raise DataError(
                "no star is seen in it", expected="a star that is alone in its field", found="none"
            )
        return cls(
            np.array(middles),
            np.array(widths),
            np.array(lights),
            np.stack(rests),
            (float(half), float(half)),
            spaxel_arcsec,
        )

    @classmethod
    def joined(cls, stars: list[ObservedStar]) -> ObservedStar:
        """The star in several bands.

        Raises
        ------
        DataError
            If their spaxels differ in size.
        """
        first = stars[0]
        if any(abs(one.spaxel_arcsec / first.spaxel_arcsec - 1) > 1e-3 for one in stars):
            raise DataError(
                "cubes of a star have spaxels of different sizes", expected="bands of one channel"
            )
        order = np.argsort(np.concatenate([one.wavelength_um for one in stars]))
        return replace(
            first,
            wavelength_um=np.concatenate([one.wavelength_um for one in stars])[order],
            fwhm_arcsec=np.concatenate([one.fwhm_arcsec for one in stars])[order],
            light=np.concatenate([one.light for one in stars])[order],
            rest=np.concatenate([one.rest for one in stars])[order],
        )

    def at(self, wavelength_um: Floats, spaxel_arcsec: float) -> StarProfile:
        """Its profile at observed wavelengths, in the spaxels of a cube.

        Beyond the first and the last wavelength of the star its image grows with the wavelength, as
        diffraction does.
        """
        inside = np.clip(wavelength_um, self.wavelength_um[0], self.wavelength_um[-1])
        # In steps: for every scale the image is interpolated anew.
        stretch = np.round(wavelength_um / inside, 2)
        bins = np.eye(len(self.wavelength_um))
        mix = np.stack([np.interp(inside, self.wavelength_um, one) for one in bins], axis=1)
        ratio = spaxel_arcsec / self.spaxel_arcsec
        return StarProfile(
            fwhm=(mix @ self.fwhm_arcsec) * stretch / spaxel_arcsec,
            light=mix @ self.light,
            rest=self.rest,
            middle=self.middle,
            mix=mix,
            scale=ratio / stretch,
        )


def _mean_image(flux: NDArray[np.floating], bad: NDArray[np.bool_]) -> Floats:
    """(y, x) mean over the planes; NaN where fewer than half are good."""
    good = ~bad & np.isfinite(flux)
    count = good.sum(axis=0)
    total = np.where(good, flux, 0.0).sum(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * count > len(flux), total / count, np.nan)


def _fit_moffat(image: Floats) -> tuple[float, float, float, float, Floats] | None:
    """Place, width and share of the light of a Moffat profile, and the rest of the light.

    The sky is the median of the farthest spaxels: a level that is fitted together with the profile
    would take the wings. None if there is no star.
    """
    y, x = np.nonzero(np.isfinite(image))
    if len(y) < FEWEST_SPAXELS:
        return None
    values = image[y, x]
    start = photometric_centre(values, y, x)
    distance = np.hypot(y - start[0], x - start[1])
    sky = distance >= min(REACH_FWHM * _FIRST_FWHM, np.quantile(distance, _SKY_BEYOND))
    values = values - np.median(values[sky])
    noise = 1.4826 * float(np.median(np.abs(values[sky])))
    near = distance <= REACH_FWHM * _FIRST_FWHM
    y, x, values = y[near], x[near], values[near]
    if not values.max() > LEAST_SNR * noise:
        return None

    def solved(given: Floats) -> tuple[float, Floats]:
        profile = moffat_share(y - given[0], x - given[1], np.exp(given[2:3]))[:, 0]
        amplitude = float(profile @ values / (profile @ profile))
        return amplitude, values - amplitude * profile

    fit = least_squares(
        lambda given: solved(given)[1] / values.max(),
        [*start, np.log(_FIRST_FWHM)],
        bounds=([start[0] - 3, start[1] - 3, -1.0], [start[0] + 3, start[1] + 3, 3.0]),
    )
    amplitude, rest = solved(fit.x)
    if not amplitude > 0:
        return None
    fwhm = float(np.exp(fit.x[2]))
    image = np.zeros_like(image)
    # Far out what is left is noise, and its sum would count as light.
    outer = np.hypot(y - fit.x[0], x - fit.x[1]) / (REACH_FWHM * fwhm)
    image[y, x] = rest * np.clip((1 - outer) / _FADES, 0.0, 1.0)
    light = amplitude + image.sum()
    return float(fit.x[0]), float(fit.x[1]), fwhm, amplitude / light, image / light
