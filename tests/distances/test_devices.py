"""Distances on a device: the same numbers, and no device where there is none."""

import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.distances import devices
from survey.distances.devices import TorchArrays, try_devices
from survey.distances.distances import shifted_distances
from survey.distances.engines import device as arrays_module
from survey.distances.strips import StripDistances, mean_spectrum
from survey.errors import ConfigError


class StrictArrays:
    """NumPy with nothing but what the array API standard has."""

    name = "strict"
    xp = array_api_strict

    def put(self, values):
        return array_api_strict.asarray(values, copy=True)

    def get(self, array):
        return np.array(array)


def torch_arrays():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("array_api_compat", reason="array-api-compat is not installed")
    return TorchArrays("cpu")


@pytest.fixture(params=[StrictArrays, torch_arrays], ids=["strict", "torch"])
def on_device(request, monkeypatch):
    """A worker that has a device, of small tiles so that there are several."""
    arrays = request.param()
    monkeypatch.setattr(devices, "_torch_on_cuda", lambda: arrays)
    monkeypatch.setattr(arrays_module, "PLANE_BYTES", 8 * 40**2)
    return arrays


def random_spectra(n_spectra, n_samples, seed=0):
    """A sloping continuum with a displaced emission line, and noise."""
    rng = np.random.default_rng(seed)
    sample = np.arange(n_samples)
    centre = n_samples / 2 + rng.uniform(-4, 4, (n_spectra, 1))
    line = rng.uniform(0.5, 2, (n_spectra, 1)) * np.exp(-0.5 * ((sample - centre) / 3) ** 2)
    return 3.0 + 0.5 * sample / n_samples + line + 0.05 * rng.normal(size=(n_spectra, n_samples))


@pytest.mark.parametrize("max_shift", [0, 1, 2, 6])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-4)])
def test_a_device_computes_what_the_cores_do(on_device, max_shift, dtype, tolerance):
    spectra = random_spectra(130, 90)
    cores = shifted_distances(spectra, max_shift, engine="naive")
    device = shifted_distances(spectra, max_shift, dtype=dtype, device="cuda")
    assert (device.engine, device.dtype) == (f"gemm on {on_device.name}", dtype)
    assert device.condensed.dtype == dtype
    scale = tolerance * np.median(cores.condensed)
    np.testing.assert_allclose(device.condensed, cores.condensed, rtol=0, atol=scale)
    assert device.at_limit_fraction == pytest.approx(cores.at_limit_fraction, abs=1e-3)


@given(
    n_left=st.integers(1, 90),
    n_right=st.integers(1, 90),
    n_samples=st.integers(8, 60),
    max_shift=st.integers(0, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_a_device_computes_rectangles_of_any_shape(n_left, n_right, n_samples, max_shift, seed):
    spectra = random_spectra(n_left + n_right, n_samples, seed)
    left, right = spectra[:n_left], spectra[n_left:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "_torch_on_cuda", StrictArrays)
        patch.setattr(arrays_module, "PLANE_BYTES", 8 * 40**2)
        mean = mean_spectrum([spectra])
        options = {"max_shift": max_shift, "dtype": "float64"}
        cores = StripDistances(mean, **options).rectangle(left, right)
        device = StripDistances(mean, **options, device="cuda").rectangle(left, right)
    np.testing.assert_allclose(device.values, cores.values, atol=1e-10)
    assert device.n_at_limit == cores.n_at_limit


def test_a_bright_common_continuum_costs_no_precision(on_device):
    spectra = 1000.0 + random_spectra(80, 300)
    exact = shifted_distances(spectra, 6, engine="naive", dtype="float64").condensed
    device = shifted_distances(spectra, 6, dtype="float32", device="cuda").condensed
    assert np.abs(device - exact).max() < 1e-4 * np.median(exact)


@pytest.mark.parametrize("engine", ["naive", "fft"])
def test_an_engine_that_was_named_is_the_one_that_is_used(on_device, engine):
    assert (
        shifted_distances(random_spectra(9, 40), 2, engine=engine, device="cuda").engine == engine
    )


def test_a_device_that_is_not_there_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(devices, "_torch_on_cuda", lambda: None)
    with pytest.raises(ConfigError, match="expected PyTorch and a CUDA device on every worker"):
        shifted_distances(random_spectra(4, 40), 2, device="cuda")


def test_only_large_work_goes_to_a_device_by_itself(monkeypatch):
    monkeypatch.setattr(devices, "_has_driver", lambda: True)
    monkeypatch.setattr(devices, "_torch_on_cuda", StrictArrays)
    little, much = 0.5 * devices.MIN_MULTIPLICATIONS, 2 * devices.MIN_MULTIPLICATIONS
    assert try_devices("auto", little, lambda arrays: arrays) is None
    assert isinstance(try_devices("auto", much, lambda arrays: arrays), StrictArrays)
    assert try_devices("cpu", much, lambda arrays: arrays) is None


def test_the_cores_do_what_does_not_fit_on_the_device(monkeypatch):
    class OutOfMemoryError(RuntimeError):
        """As PyTorch calls it."""

    def compute(arrays):
        if arrays is not None:
            raise OutOfMemoryError
        return "cores"

    monkeypatch.setattr(devices, "_has_driver", lambda: True)
    monkeypatch.setattr(devices, "_torch_on_cuda", StrictArrays)
    assert try_devices("auto", devices.MIN_MULTIPLICATIONS, compute) == "cores"
    with pytest.raises(OutOfMemoryError):
        try_devices("cuda", devices.MIN_MULTIPLICATIONS, compute)


def test_without_a_device_pytorch_is_not_even_loaded():
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from survey.distances import devices\n"
        "from survey.distances.distances import shifted_distances\n"
        "devices.DRIVERS, devices.MIN_MULTIPLICATIONS = (), 0\n"
        "shifted_distances(np.eye(9), 1, device='auto')\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
