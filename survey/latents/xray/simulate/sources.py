"""Draws sources from the ranges of their class, and computes the photons that arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from survey.errors import ConfigError
from survey.latents.grid import Grid
from survey.latents.xray.simulate import emission
from survey.latents.xray.simulate.absorption import transmission
from survey.latents.xray.simulate.data import load_toml
from survey.latents.xray.simulate.plasma import plasma

Floats = npt.NDArray[np.float64]

IRON_KEV = 6.4
FLUX_BAND_KEV = (0.5, 8.0)

_SIMPLE: dict[str, Callable[..., Floats]] = {
    "power_law": emission.power_law,
    "cutoff_power_law": emission.cutoff_power_law,
    "comptonised": emission.comptonised,
    "blackbody": emission.blackbody,
    "disc": emission.disc,
    "bremsstrahlung": emission.bremsstrahlung,
}
COMPONENTS = (*_SIMPLE, "plasma")

_TEMPERATURES = ("kt_kev", "seed_kev")
_ABSORBER_FALLS = 2.6  # a column at redshift z absorbs like (1 + z)^-2.6 of it here


@dataclass(frozen=True)
class Component:
    """One part of a spectrum; `flux` is relative to the first part, 0.5 to 8 keV."""

    kind: str
    parameters: dict[str, float]
    flux: float = 1.0


@dataclass(frozen=True)
class Source:
    """One source, its parameters drawn. `n_h` are columns in 1e22 per cm2."""

    source_class: str
    kind: str
    components: tuple[Component, ...]
    n_h: float
    n_h_local: float = 0.0
    covering: float = 1.0
    redshift: float = 0.0
    iron_kev: float = 0.0
    rms: float = 0.0
    hotter: float = 0.0
    jitter_dex: float = 0.0

    @property
    def n_h_seen(self) -> float:
        """The column here that absorbs like all that is in front, in 1e22 per cm2.

        That in the source counts for less by (1 + z)^2.6, about as the cross section falls.
        """
        return self.n_h + self.n_h_local / (1 + self.redshift) ** _ABSORBER_FALLS

    def photons(self, energies: Grid) -> Floats:
        """Photons in the bins of a grid of observed energies (e,), in an arbitrary unit."""
        emitted = Grid(energies.edges * (1 + self.redshift), "keV")
        density = _emission(self, emitted)
        within = transmission(emitted.centres, self.n_h_local)
        seen = (1 - self.covering) + self.covering * within
        return density * seen * transmission(energies.centres, self.n_h) * energies.widths


def draw_source(source_class: str, rng: np.random.Generator) -> Source:
    """A source of a class, one of `class_names()`, with parameters within its ranges."""
    models = [model for model in _models() if model["class"] == source_class]
    if not models:
        raise ConfigError(
            "unknown class of X-ray sources",
            expected=f"one of {', '.join(class_names())}",
            found=repr(source_class),
        )
    share = np.array([model["share"] for model in models])
    model = models[int(rng.choice(len(models), p=share / share.sum()))]

    def drawn(name: str, default: float) -> float:
        return _draw(model.get(name, default), rng)

    return Source(
        source_class=source_class,
        kind=model["name"],
        components=tuple(_draw_component(part, rng) for part in model["component"]),
        n_h=10 ** (drawn("log_n_h", 20.0) - 22),
        n_h_local=10 ** (drawn("log_n_h_local", -np.inf) - 22),
        covering=drawn("covering", 1.0),
        redshift=drawn("redshift", 0.0),
        iron_kev=drawn("iron", 0.0),
        rms=drawn("rms", 0.0),
        hotter=drawn("hotter", 0.0),
        jitter_dex=drawn("jitter_dex", 0.0),
    )


def at_epoch(source: Source, flux: float, rng: np.random.Generator) -> Source:
    """The source as it is when its flux is `flux` times its mean."""
    hotter = flux**source.hotter
    parts = tuple(
        replace(
            part,
            parameters={
                name: value * hotter if name in _TEMPERATURES else value
                for name, value in part.parameters.items()
            },
        )
        for part in source.components
    )
    column = source.n_h_local * 10 ** rng.normal(0.0, source.jitter_dex)
    return replace(source, components=parts, n_h_local=column)


def class_names() -> tuple[str, ...]:
    """The classes there are models of, in the order of the file."""
    return tuple(dict.fromkeys(model["class"] for model in _models()))


def _emission(source: Source, energies: Grid) -> Floats:
    """Photons per keV as emitted, the first component having a flux of one."""
    total = np.zeros(len(energies))
    for component in source.components:
        density = _density(component, energies)
        total += density * (component.flux / _energy_flux(component))
    if source.iron_kev > 0:
        continuum = np.interp(IRON_KEV, energies.centres, total)
        total += source.iron_kev * continuum * emission.line(energies, energy_kev=IRON_KEV)
    return total


def _density(component: Component, energies: Grid) -> Floats:
    if component.kind == "plasma":
        return plasma(energies, **component.parameters)
    return _SIMPLE[component.kind](energies.centres, **component.parameters)


def _energy_flux(component: Component) -> float:
    """Energy between 0.5 and 8 keV, on a grid of its own that no redshift moves."""
    grid = _flux_grid()
    return float(_density(component, grid) @ (grid.centres * grid.widths))


@cache
def _flux_grid() -> Grid:
    return Grid(np.linspace(*FLUX_BAND_KEV, 376), "keV")


def _draw_component(part: dict[str, Any], rng: np.random.Generator) -> Component:
    parameters = {
        name: _draw(value, rng) for name, value in part.items() if name not in ("kind", "flux")
    }
    return Component(part["kind"], parameters, _draw(part.get("flux", 1.0), rng))


def _draw(law: float | dict[str, Any], rng: np.random.Generator) -> float:
    if not isinstance(law, dict):
        return float(law)
    low, high = law["low"], law["high"]
    if "mean" in law:
        while True:
            value = rng.normal(law["mean"], law["sd"])
            if low <= value <= high:
                return float(value)
    if law.get("log", False):
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return float(rng.uniform(low, high))


@cache
def _models() -> tuple[dict[str, Any], ...]:
    models = load_toml("classes.toml")["model"]
    for model in models:
        unknown = {part["kind"] for part in model["component"]} - set(COMPONENTS)
        if unknown:
            raise ConfigError(
                f"unknown component of {model['class']}",
                file="classes.toml",
                expected=f"one of {', '.join(COMPONENTS)}",
                found=", ".join(sorted(unknown)),
            )
    return tuple(models)
