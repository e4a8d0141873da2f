"""Simulates a survey of X-ray sources: many detections of sources of all classes, with truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from survey.errors import ConfigError
from survey.latents.folding import joined, single
from survey.latents.grid import Grid
from survey.latents.spectra import SpectrumSet
from survey.latents.xray.acis import acis_grid, acis_like_response, photon_energies
from survey.latents.xray.fold import Response, fold
from survey.latents.xray.simulate import observation, pile_up
from survey.latents.xray.simulate.observation import SimulatedDetection
from survey.latents.xray.simulate.sources import Source, at_epoch, class_names, draw_source

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class XrayTruth:
    """What is true of n simulated detections.

    Attributes
    ----------
    classes, kinds : array (n,) of str
        Class, and the model of that class.
    n_h_1e22 : array (n,)
        Hydrogen column in 1e22 per cm2 that, at redshift zero, absorbs like all in front.
    redshift : array (n,)
    expected : array (n, p)
        Counts of the source without noise.
    expected_background : array (n, p)
        Counts of the background in the source region, without noise.
    off_axis_arcmin : array (n,)
    variability : array (n,)
        Fractional rms of the source.
    variability_index : array (n,)
        See `observation.variability_index`.
    pile_up : array (n,)
        Share of the events that are of several photons.
    frame_s : array (n,)
        Time of a frame of the camera in s.
    """

    classes: Names
    kinds: Names
    n_h_1e22: Floats
    redshift: Floats
    expected: Floats
    expected_background: Floats
    off_axis_arcmin: Floats
    variability: Floats
    variability_index: Floats
    pile_up: Floats
    frame_s: Floats


@dataclass(frozen=True)
class SimulatedXray:
    """Counted spectra, and their truth, which is not in the spectra themselves."""

    spectra: SpectrumSet
    truth: XrayTruth

    def rows(self, which: npt.NDArray[np.intp]) -> SimulatedXray:
        """Some of the detections."""
        truth = {one.name: getattr(self.truth, one.name)[which] for one in fields(XrayTruth)}
        return SimulatedXray(self.spectra.rows(which), XrayTruth(**truth))


@dataclass(frozen=True)
class _Draw:
    """One detection before it is counted."""

    source_number: int
    epoch: int
    source: Source
    detection: SimulatedDetection
    counts: float
    index: float
    rng: np.random.Generator

    @property
    def frame_s(self) -> float:
        """Time of a frame."""
        return pile_up.frame_of(self.events_per_s, self.places)

    @property
    def photons_per_frame(self) -> float:
        """Photons on one place of the chip in a frame."""
        return pile_up.photons_per_frame(self.events_per_s * self.frame_s / self.places)

    @property
    def events_per_s(self) -> float:
        return self.counts / self.detection.exposure_s

    @property
    def places(self) -> float:
        return pile_up.places_of(self.detection.off_axis_arcmin)


def simulate_xray(
    n_spectra: int,
    *,
    seed: int,
    grid: Grid | None = None,
    responses: Sequence[Response] | None = None,
    classes: Sequence[str] | None = None,
    piled_up: bool = True,
    only_first: bool = False,
    on_spectrum: Callable[[], None] = lambda: None,
) -> SimulatedXray:
    """Detections of X-ray sources, in turn of each class.

    The n-th detection is the same whatever their number. Scattering by electrons in thick absorbers
    is left out. Spectra of bright sources are piled up, as those of a CCD are; their number of
    counts is what was drawn, piled up or not.

    Parameters
    ----------
    n_spectra : int
        Detections; a source has one or several.
    seed : int
    grid : Grid, optional
        Bins in keV. Default: `acis_grid()`.
    responses : sequence of Response, optional
        Each detection is through one of them, at random. Default: `acis_like_response()`, with
        the vignetting at the angle of the detection, which observed responses have in them. The
        spectra keep the responses that are given.
    classes : sequence of str, optional
        Some of `class_names()`. Default: all.
    piled_up : bool
        Whether spectra are piled up.
    only_first : bool
        Of all detections, only the first of each source: fewer spectra, of as many sources.
    on_spectrum : callable
        Called with every spectrum that is folded.

    Raises
    ------
    ConfigError
        For an unknown class, or no spectra.
    """
    if n_spectra < 1:
        raise ConfigError("nothing to simulate", expected="one spectrum or more")
    grid = acis_grid() if grid is None else grid
    ideal = responses is None
    whole = [acis_like_response()] if ideal else list(responses or [])
    folded = [one.onto(grid) for one in whole]
    if not folded:
        raise ConfigError("no response to simulate with")
    draws = list(_draws(n_spectra, seed, tuple(classes or class_names())))
    if only_first:
        draws = [one for one in draws if one.epoch == 0]
    expected = np.empty((len(draws), len(grid)))
    numbers = np.empty(len(draws), np.int64)
    for row, one in enumerate(draws):
        numbers[row] = int(one.rng.integers(len(folded)))
        which = numbers[row]
        if piled_up and pile_up.piled_share(one.photons_per_frame) > pile_up.LEAST:
            expected[row] = _piled(one, whole[which], grid, vignetted=ideal)
        else:
            expected[row] = _expected(one, folded[which], vignetted=ideal)
        on_spectrum()
    simulated = _counted(draws, expected, grid, piled_up=piled_up)
    if ideal:  # vignetting makes it another response for every angle
        return simulated
    each = [single(one.matrix, one.energies, photon_energies(), one.name) for one in folded]
    folding, renumbered = joined(each)
    which = np.concatenate(renumbered)[numbers]
    return replace(simulated, spectra=replace(simulated.spectra, folding=folding, response=which))


def _draws(n_spectra: int, seed: int, classes: Sequence[str]) -> Iterator[_Draw]:
    """Detections source by source; each has random numbers of its own."""
    low, high = observation.counts_range()
    done = number = 0
    while done < n_spectra:
        rng = np.random.default_rng([seed, number])
        source = draw_source(classes[number % len(classes)], rng)
        detections = observation.draw_detections(source.rms, rng)
        mean_counts = observation.draw_counts(rng)
        mean_exposure_s = float(np.mean([one.exposure_s for one in detections]))
        for epoch, one in enumerate(detections[: n_spectra - done]):
            of_epoch = np.random.default_rng([seed, number, epoch])
            counts = mean_counts * one.flux * one.exposure_s / mean_exposure_s
            counts = float(np.clip(counts, low, high))
            index = observation.variability_index(counts, source.rms, of_epoch)
            seen = at_epoch(source, one.flux, of_epoch)
            yield _Draw(number, epoch, seen, one, counts, index, of_epoch)
            done += 1
        number += 1


def _expected(one: _Draw, response: Response, *, vignetted: bool) -> Floats:
    """Expected counts (p,), scaled to those that were drawn."""
    photons = one.source.photons(response.energies)
    if vignetted:
        angle = np.array([one.detection.off_axis_arcmin])
        photons = photons * observation.vignetting(response.energies.centres, angle)[0]
    counts = fold(response, photons)
    return np.asarray(counts * (one.counts / counts.sum()))


def _piled(one: _Draw, response: Response, grid: Grid, *, vignetted: bool) -> Floats:
    """The same of a spectrum that is piled up: in channels, then in the bins of the grid."""
    alone = _expected(one, response, vignetted=vignetted)
    shape = pile_up.piled(alone, one.photons_per_frame)
    counts = pile_up.summed_into(shape, response.channels, grid)
    return np.asarray(counts * (one.counts / counts.sum()))


def _counted(draws: list[_Draw], expected: Floats, grid: Grid, *, piled_up: bool) -> SimulatedXray:
    angle = np.array([one.detection.off_axis_arcmin for one in draws])
    exposure_s = np.array([one.detection.exposure_s for one in draws])
    level = np.array([one.detection.background_level for one in draws])
    area = np.array([one.detection.background_area for one in draws])
    background = observation.background_rate(grid, angle) * (exposure_s * level)[:, None]
    seen, around = np.empty_like(expected), np.empty_like(expected)
    for row, one in enumerate(draws):
        seen[row] = one.rng.poisson(expected[row] + background[row])
        around[row] = one.rng.poisson(background[row] * area[row])
    spectra = SpectrumSet(
        seen,
        grid,
        "counts",
        ids=np.array([f"sim{one.source_number:05d}.{one.epoch}" for one in draws]),
        sources=np.array([f"sim{one.source_number:05d}" for one in draws]),
        background_counts=around,
        background_scale=np.broadcast_to(1 / area[:, None], around.shape),
        exposure_s=exposure_s,
    )
    truth = XrayTruth(
        classes=np.array([one.source.source_class for one in draws]),
        kinds=np.array([one.source.kind for one in draws]),
        n_h_1e22=np.array([one.source.n_h_seen for one in draws]),
        redshift=np.array([one.source.redshift for one in draws]),
        expected=expected,
        expected_background=background,
        off_axis_arcmin=angle,
        variability=np.array([one.source.rms for one in draws]),
        variability_index=np.array([one.index for one in draws]),
        pile_up=np.array([piled_up * pile_up.piled_share(one.photons_per_frame) for one in draws]),
        frame_s=np.array([one.frame_s for one in draws]),
    )
    return SimulatedXray(spectra, truth)
