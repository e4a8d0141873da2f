"""The interface of all representations of spectra, like that of scikit-learn.

A representation turns a spectrum into a few numbers, its latents, and latents into the shape of a
spectrum. Brightness is not part of the shape: the amplitude of each spectrum is fitted by
likelihood, on top of its background.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from survey.errors import DataError
from survey.latents.grid import Floats, Grid
from survey.latents.models.background import BackgroundModel
from survey.latents.models.equal_counts import EqualCounts
from survey.latents.models.likelihood import (
    counts_amplitude,
    flux_amplitude,
    gaussian_log_likelihood,
    poisson_log_likelihood,
)
from survey.latents.models.mean_shape import mean_shape
from survey.latents.models.response_shape import ResponseShape
from survey.latents.spectra import Kind, SpectrumSet

Arrays = dict[str, NDArray[Any]]

ANY_KIND = "Take nmf or pca, which represent counts and flux."
"""The advice where a method cannot represent spectra."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What counts do to the latents of a model; see `survey.latents.calibration`.

    Attributes
    ----------
    log_counts : array (m,)
        log10 of counts, rising.
    factors : array (m, k)
        By which the scatter of new observations is multiplied there.
    equal : EqualCounts or None
        Makes latents as they would be at equal counts; None where it had too few spectra.
    """

    log_counts: Floats
    factors: Floats
    equal: EqualCounts | None

    def factor(self, counts: Floats) -> Floats:
        """Factors (n, k) for spectra of these counts (n,)."""
        place = np.log10(counts + 1)
        return np.stack([np.interp(place, self.log_counts, one) for one in self.factors.T], axis=1)


class Representation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of all representations.

    A subclass sets its own parameters in `__init__`, learns in `_learn`, and says how it
    encodes and decodes. `fit` touches no parameter, and returns the representation.

    Attributes
    ----------
    grid_ : Grid
        The bins it was fitted on; other spectra must have the same.
    kind_ : {"counts", "flux"}
    mean_shape_ : array (p,)
        Mean shape of the spectra it was fitted on.
    background_ : BackgroundModel
        What their backgrounds have in common; of zero for flux.
    response_ : ResponseShape or None
        Of counts with responses: what spectra look like through the mean response, in which
        shapes are. None otherwise: shapes are then as counted.
    n_spectra_ : int
        How many it was fitted on.
    calibration_ : Calibration or None
        Of latents of counts, where `survey.latents.calibration.calibrate` has made one.
    """

    name: ClassVar[str]
    """What the method is called in files and on the command line."""

    weights_file: ClassVar[str] = "arrays.npz"
    """What its arrays are called in the folder of a saved model."""

    kinds: ClassVar[tuple[Kind, ...]] = ("counts", "flux")

    needs_responses: ClassVar[bool] = False
    """Whether spectra must have their responses."""

    calibrated: ClassVar[bool] = True
    """Whether its latents can be calibrated, which takes thousands of spectra to be encoded."""

    n_latents: int
    """How many numbers a spectrum becomes."""

    grid_: Grid
    kind_: Kind
    mean_shape_: Floats
    background_: BackgroundModel
    response_: ResponseShape | None
    n_spectra_: int
    calibration_: Calibration | None

    def fit(self, spectra: SpectrumSet, y: Any = None, **options: Any) -> Self:
        """Learn from spectra; `y` is ignored, and `options` are those of the method.

        Raises
        ------
        DataError
            If there are too few spectra, or they are not of a kind the method can use.
        """
        if spectra.kind not in self.kinds:
            raise DataError(
                f"{self.name} cannot represent such spectra",
                expected=" or ".join(self.kinds),
                found=spectra.kind,
                advice=ANY_KIND,
            )
        usable = spectra.rows(_informative(spectra))
        needed = self._at_least()
        if len(usable) < needed:
            raise DataError(
                "too few spectra to learn from", expected=f"{needed}", found=f"{len(usable)}"
            )
        self.grid_, self.kind_, self.n_spectra_ = usable.grid, usable.kind, len(usable)
        self.background_ = BackgroundModel.of(usable)
        self.response_ = self.calibration_ = None
        if usable.kind == "counts":
            self.response_ = ResponseShape.of(usable, self.background_.expected(usable))
        self.mean_shape_ = mean_shape(usable, self.relative(usable))
        self._learn(usable, **options)
        return self

    def transform(self, spectra: SpectrumSet) -> Floats:
        """Latents (n, k) of spectra."""
        return self._latents(spectra)

    def _latents(self, spectra: SpectrumSet) -> Floats:
        """As `transform`, and an array also where that is set to give a table."""
        self._check(spectra)
        return np.asarray(self._encode(spectra), dtype=np.float64)

    def at_equal_counts(self, latents: Floats, counts: Floats) -> Floats:
        """Latents (n, k) as they would be if all spectra had the same number of counts.

        What they are where the model knows no better: the latents themselves. They are to be
        compared with each other; only the latents themselves can be decoded.

        Parameters
        ----------
        latents : array (n, k)
        counts : array (n,)
            Of the spectra, background included.
        """
        known = self.calibration_
        if known is None or known.equal is None:
            return latents
        return known.equal.apply(latents, counts)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the latents: z1, z2, ...; with them `set_output` makes tables."""
        self.require_fitted()
        return np.array([f"z{k}" for k in range(1, self.n_latents + 1)], dtype=object)

    def inverse_transform(self, latents: Floats) -> Floats:
        """Shapes (n, p) of latents (n, k).

        Of counts, expected source counts per bin that sum to one, background aside; of flux,
        flux density in units of the amplitude.
        """
        self.require_fitted()
        return np.asarray(self._decode(np.asarray(latents, np.float64)), dtype=np.float64)

    def relative(self, spectra: SpectrumSet) -> Floats:
        """What the response of each spectrum makes of the shapes of the model (n, p).

        Ones if the model knows no responses, and for a spectrum whose response is unknown.

        Raises
        ------
        DataError
            If the model knows responses, and the spectra have none at all.
        """
        if self.response_ is None or spectra.kind == "flux":
            return np.ones(spectra.values.shape)
        return self.response_.relative(spectra)

    def expected(self, spectra: SpectrumSet, latents: Floats | None = None) -> Floats:
        """Expected values (n, p) of spectra, background included.

        Given `latents`, they are what shapes would be of those; only the amplitude is then
        taken from the spectra.
        """
        self._check(spectra)
        latents = self._latents(spectra) if latents is None else latents
        shape = self.seen_shapes(spectra, latents)
        if spectra.kind == "flux":
            assert spectra.ivar is not None
            scale = flux_amplitude(spectra.values, spectra.ivar, shape)
            return np.asarray(scale[:, np.newaxis] * shape)
        background = self.background_.expected(spectra)
        scale = counts_amplitude(spectra.values, shape, background, spectra.mask)
        return np.asarray(scale[:, np.newaxis] * shape + background)

    def seen_shapes(self, spectra: SpectrumSet, latents: Floats) -> Floats:
        """Shapes (n, p) of latents (n, k) as each spectrum sees them, background aside."""
        return np.asarray(self.inverse_transform(latents) * self.relative(spectra))

    def score_samples(self, spectra: SpectrumSet) -> Floats:
        """Log-likelihoods (n,) of spectra under what is expected of them."""
        mean = self.expected(spectra)
        if spectra.kind == "flux":
            assert spectra.ivar is not None
            return gaussian_log_likelihood(spectra.values, mean, spectra.ivar, spectra.mask)
        return poisson_log_likelihood(spectra.values, mean, spectra.mask)

    def score(self, spectra: SpectrumSet, y: Any = None) -> float:
        """Mean log-likelihood."""
        return float(np.mean(self.score_samples(spectra)))

    @abstractmethod
    def _learn(self, spectra: SpectrumSet, **options: Any) -> None:
        """Fit to spectra that have something in them."""

    @abstractmethod
    def _encode(self, spectra: SpectrumSet) -> Floats: ...

    @abstractmethod
    def _decode(self, latents: Floats) -> Floats: ...

    @abstractmethod
    def arrays(self) -> Arrays:
        """What the method has learned, as arrays."""

    @abstractmethod
    def restore(self, arrays: Arrays) -> None:
        """The reverse of `arrays`; KeyError or ValueError if they do not fit."""

    def facts(self) -> dict[str, Any]:
        """What else the card of a saved model says."""
        return {}

    def remember(self, facts: dict[str, Any]) -> None:
        """Take back what `facts` said, from the card of a saved model."""

    def _at_least(self) -> int:
        return 2

    def require_fitted(self) -> None:
        """Raise NotFittedError before `fit`."""
        if not hasattr(self, "grid_"):
            raise NotFittedError(f"this {type(self).__name__} has not been fitted")

    def _check(self, spectra: SpectrumSet) -> None:
        self.require_fitted()
        if spectra.kind != self.kind_:
            raise DataError(
                "spectra of another kind than the model's", expected=self.kind_, found=spectra.kind
            )
        if spectra.grid != self.grid_:
            raise DataError(
                "spectra on another grid than the model's",
                expected=self.grid_.describe(),
                found=spectra.grid.describe(),
                advice="Rebin them to the grid of the model.",
            )


def _informative(spectra: SpectrumSet) -> NDArray[np.bool_]:
    return np.asarray(spectra.mask.any(axis=1) & spectra.values.any(axis=1))
