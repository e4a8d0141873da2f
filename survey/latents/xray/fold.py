"""Responses of X-ray detectors, and folding of photons to expected counts.

counts(channel) = exposure x sum over energies of flux(energy) area(energy) R(energy, channel)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from survey.errors import DataError
from survey.latents.grid import Grid, homes

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EffectiveArea:
    """Effective area (e,) in cm2 over bins of photon energy: the content of an ARF."""

    energies: Grid
    area_cm2: Floats


@dataclass(frozen=True, eq=False)
class Redistribution:
    """Probability (e, c) that a photon of an energy is counted in a channel: an RMF.

    Attributes
    ----------
    energies : Grid
        Bins of photon energy.
    channels : Grid
        Nominal energies of the channels.
    channel_numbers : array (c,) of int
    matrix : sparse array (e, c)
        Rows add up to about one, or to an area in cm2 where `holds_area`.
    holds_area : bool
    """

    energies: Grid
    channels: Grid
    channel_numbers: npt.NDArray[np.int64]
    matrix: sparse.csr_array
    holds_area: bool = False


@dataclass(frozen=True, eq=False)
class Response:
    """Effective area and redistribution together.

    Attributes
    ----------
    energies, channels : Grid
    matrix : sparse array (e, c)
        Effective area in cm2 for counts in a channel.
    name : str
    """

    energies: Grid
    channels: Grid
    matrix: sparse.csr_array
    name: str = ""

    def onto(self, grid: Grid) -> Response:
        """The same response with its channels summed into the bins of a grid.

        Channels go where `SpectrumSet.rebinned` puts them.
        """
        home, inside = homes(self.channels, grid)
        columns = np.flatnonzero(inside)
        into = sparse.csr_array(
            (np.ones(len(columns)), (columns, home[columns])), shape=(len(home), len(grid))
        )
        return Response(self.energies, grid, sparse.csr_array(self.matrix @ into), self.name)


def combine(
    area: EffectiveArea | None, redistribution: Redistribution, *, name: str = ""
) -> Response:
    """The response of an ARF and an RMF; the area may be in the RMF already.

    Raises
    ------
    DataError
        If they are for different energies, or there is no area or two.
    """
    if redistribution.holds_area:
        if area is not None:
            raise DataError("the RMF includes the effective area: do not use it with an ARF")
        return Response(
            redistribution.energies, redistribution.channels, redistribution.matrix, name
        )
    if area is None:
        raise DataError("this RMF has no effective area: it needs an ARF")
    wanted, found = redistribution.energies, area.energies
    if len(wanted) != len(found) or not np.allclose(
        wanted.edges, found.edges, rtol=1e-4, atol=1e-4
    ):
        raise DataError(
            "ARF and RMF are not for the same energies",
            expected=wanted.describe(),
            found=found.describe(),
            advice="Use the ARF and RMF that were made together",
        )
    weighted = sparse.csr_array(sparse.diags_array(area.area_cm2) @ redistribution.matrix)
    return Response(wanted, redistribution.channels, weighted, name)


def fold(response: Response, photon_flux: Floats, exposure_s: npt.ArrayLike = 1.0) -> Floats:
    """Expected counts (..., c) of spectra of photons.

    Parameters
    ----------
    response : Response
    photon_flux : array (..., e)
        Photons per cm2 and second in each bin of energy.
    exposure_s : float or array (...)
    """
    photon_flux = np.asarray(photon_flux, dtype=np.float64)
    if photon_flux.shape[-1] != len(response.energies):
        raise DataError(
            "the spectrum is not on the energies of the response",
            expected=f"{len(response.energies)} bins",
            found=str(photon_flux.shape[-1]),
        )
    flat = photon_flux.reshape(-1, photon_flux.shape[-1])
    counts = (response.matrix.T @ flat.T).T.reshape(*photon_flux.shape[:-1], -1)
    return np.asarray(counts * np.asarray(exposure_s, dtype=np.float64)[..., None])
