"""Pile-up of a CCD: photons that fall on one place within one frame are counted as one event.

With L photons expected in a frame on one place of the chip and p(E) their spectrum if counted
alone, an event of k photons has the energy of all of them, and is kept with the chance a^(k-1), as
charge of several photons often looks like that of a particle (Davis 2001, ApJ 562, 575). The
spectrum of a frame,

    exp(-L) sum over k of a^(k-1) L^k / k!  p * ... * p (k times) = exp(-L) (exp(a L p) - 1) / a,

has its powers by convolution, so it is one exponential of Fourier transforms.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.optimize import brentq

from survey.latents.grid import Floats, Grid, homes
from survey.latents.xray.acis import acis_facts
from survey.latents.xray.simulate.data import load_toml

LEAST = 0.01
"""Below this share of events of several photons, spectra stay as they are."""


def places_of(off_axis_arcmin: float) -> float:
    """Places of the chip that the image of a point source covers; one on the axis."""
    law = load_toml("observation.toml")["region"]
    wider = law["per_square_arcmin2_arcsec"] * off_axis_arcmin**2 / law["on_axis_arcsec"]
    return float((1 + wider) ** 2)


def frame_of(events_per_s: float, places: float) -> float:
    """Time of a frame in s: that of the whole camera, or shorter for a source too bright for it."""
    law = load_toml("observation.toml")["pile_up"]
    longest = acis_facts()["frame"]["seconds"]
    wanted = law["wanted_events_per_frame"] * places / max(events_per_s, 1e-300)
    return float(np.clip(wanted, law["shortest_frame_s"], longest))


def photons_per_frame(events_per_frame: float) -> float:
    """Photons L of which so many events are counted in a frame, on one place.

    More photons than those of most events would count as fewer again: no source is taken there.
    """
    most = _photons_of_most_events()
    if not 0 < events_per_frame < _events(most):
        return most if events_per_frame > 0 else 0.0
    return float(brentq(lambda photons: _events(photons) - events_per_frame, 0.0, most))


def piled_share(photons: float) -> float:
    """Share of the events that are of several photons, L of which are expected in a frame."""
    events = _events(photons)
    return float(1 - photons * np.exp(-photons) / events) if events > 0 else 0.0


def piled(counts: Floats, photons: float) -> Floats:
    """Shape (c,) of a spectrum of channels of equal width, L photons being expected in a frame.

    Events above the last channel are lost.
    """
    kept = _kept()
    alone = counts / counts.sum()
    transform = np.fft.rfft(alone, 8 * len(alone))
    both = np.exp(-photons) * np.expm1(kept * photons * transform) / kept
    shape = np.maximum(np.fft.irfft(both, 8 * len(alone))[: len(alone)], 0.0)
    return np.asarray(shape / shape.sum())


def summed_into(counts: Floats, channels: Grid, grid: Grid) -> Floats:
    """Counts of channels (c,) in the bins (p,) of a grid, as `Response.onto` sums them."""
    home, inside = homes(channels, grid)
    return np.bincount(home[inside], counts[inside], len(grid)).astype(np.float64)


def _events(photons: float) -> float:
    """Events in a frame of L photons on one place."""
    return float(np.exp(-photons) * np.expm1(_kept() * photons) / _kept())


def _photons_of_most_events() -> float:
    kept = _kept()
    return float(-np.log1p(-kept) / kept)


@cache
def _kept() -> float:
    return float(load_toml("observation.toml")["pile_up"]["grade_kept"])
