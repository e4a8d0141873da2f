"""A thinned spectrum is a shorter observation, and its two halves know nothing of each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.errors import DataError
from survey.latents.thinning import split
from tests.latents.toys import counted, measured


@given(st.integers(0, 1000), st.floats(0.01, 0.99))
def test_no_count_is_lost_or_made(seed, fraction):
    spectra = counted(8, seed).spectra
    kept, rest = split(spectra, fraction, np.random.default_rng(seed))
    np.testing.assert_array_equal(kept.values + rest.values, spectra.values)
    np.testing.assert_allclose(kept.background + rest.background, spectra.background)
    np.testing.assert_allclose(kept.background, fraction * spectra.background)


def test_halves_of_counts_are_independent_and_as_noisy_as_short_exposures():
    toy = counted(2, counts=(500, 501))
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(3000):
        whole = rng.poisson(toy.expected[:1])
        spectra = counted(2).spectra.rows([0])
        kept, rest = split(
            type(spectra)(whole, spectra.grid, "counts"), 0.3, rng
        )  # a new exposure every time
        draws.append((kept.values[0, 10:20].sum(), rest.values[0, 10:20].sum()))
    kept, rest = np.array(draws, dtype=float).T
    assert abs(np.corrcoef(kept, rest)[0, 1]) < 0.06
    assert kept.var() == pytest.approx(kept.mean(), rel=0.1)
    assert kept.mean() == pytest.approx(0.3 * toy.expected[0, 10:20].sum(), rel=0.03)


def test_halves_of_flux_are_independent_and_weigh_as_much_as_the_whole():
    toy = measured(2000, snr=3.0, unit=1.0)
    kept, rest = split(toy.spectra, 0.25, np.random.default_rng(1))
    np.testing.assert_allclose(kept.ivar + rest.ivar, toy.spectra.ivar)
    np.testing.assert_allclose(
        kept.ivar * kept.values + rest.ivar * rest.values, toy.spectra.ivar * toy.spectra.values
    )
    pulls = [(part.values - toy.expected) * np.sqrt(part.ivar) for part in (kept, rest)]
    for pull in pulls:
        assert pull.std() == pytest.approx(1, rel=0.01)
    assert abs(np.corrcoef(pulls[0].ravel(), pulls[1].ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, np.nan])
def test_a_fraction_that_leaves_nothing_is_refused(fraction):
    with pytest.raises(DataError, match=r"\(0, 1\)"):
        split(counted(4).spectra, fraction, np.random.default_rng(0))
