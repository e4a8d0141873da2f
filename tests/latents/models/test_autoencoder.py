"""The autoencoder: it denoises, goes on where it stopped, and leaves the machine as it was."""

import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from survey.errors import ConfigError, DataError, IntegrityError  # noqa: E402
from survey.latents.grid import Grid  # noqa: E402
from survey.latents.models.autoencoder import TransformerAutoencoder  # noqa: E402
from survey.latents.models.model_io import load_model, save_model  # noqa: E402
from survey.latents.models.nmf import SpectralNMF  # noqa: E402
from survey.latents.models.pca import SpectralPCA  # noqa: E402
from survey.latents.models.transformer.losses import poisson_loss, profiled_amplitude  # noqa: E402
from survey.latents.models.transformer.network import Batch  # noqa: E402
from survey.latents.models.transformer.training import TENSORS_FILE  # noqa: E402
from survey.latents.spectra import SpectrumSet  # noqa: E402
from tests.latents.toys import counted, divergence  # noqa: E402

SMALL = {"n_latents": 4, "width": 32, "hidden": 64, "layers": 1}


def small(**changes) -> TransformerAutoencoder:
    return TransformerAutoencoder(**(SMALL | changes))


@pytest.fixture(scope="module")
def trained():
    return small(epochs=25, batch=64).fit(counted(1500, seed=5).spectra)


def test_it_is_nearer_to_the_truth_than_linear_methods_with_as_many_latents(trained):
    new, known = counted(400, seed=6), counted(1500, seed=5).spectra
    pca, nmf = SpectralPCA(4).fit(known), SpectralNMF(4).fit(known)
    ours, by_pca, by_nmf = (
        divergence(new.expected, model.expected(new.spectra)) for model in (trained, pca, nmf)
    )
    assert ours < by_nmf
    assert ours < by_pca / 4


def test_source_shapes_are_those_without_the_background(trained):
    new = counted(400, seed=6, counts=(2000, 4000))
    shapes = trained.inverse_transform(trained.transform(new.spectra))
    assert divergence(new.shape, shapes) < 0.01
    assert divergence(new.shape, new.expected) > 0.03, "the background matters"


def test_more_counts_bring_it_nearer_to_the_truth(trained):
    far = [
        divergence(toy.expected, trained.expected(toy.spectra))
        for toy in (counted(200, seed=7, counts=(n, n + 1)) for n in (40, 400, 4000))
    ]
    assert far == sorted(far, reverse=True)


def test_latents_have_one_scale(trained):
    latents = trained.transform(counted(1500, seed=5).spectra)
    np.testing.assert_allclose(latents.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(latents.std(axis=0), 1, atol=1e-3)


def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    spectra = counted(300).spectra
    straight = small(epochs=5).fit(spectra)

    def stop(epoch):
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(epochs=5).fit(spectra, checkpoint=tmp_path, progress=stop)
    told = []
    resumed = small(epochs=5).fit(spectra, checkpoint=tmp_path, progress=told.append)
    assert [epoch.number for epoch in told] == [4, 5], "it went on"
    assert len(resumed.history_) == 5
    np.testing.assert_array_equal(resumed.transform(spectra), straight.transform(spectra))


def test_a_training_that_was_stopped_by_an_earlier_version_goes_on(tmp_path):
    """Its checkpoint has a buffer that only networks of flux used."""
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    spectra = counted(60).spectra
    straight = small(epochs=2).fit(spectra)

    def stop(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(epochs=2).fit(spectra, checkpoint=tmp_path, progress=stop)
    file = tmp_path / TENSORS_FILE
    with safe_open(file, "np") as opened:
        metadata = opened.metadata()
    ones = np.ones(64, np.float32)
    save_file(load_file(file) | {"now/scatter": ones, "best/scatter": ones}, file, metadata)
    resumed = small(epochs=2).fit(spectra, checkpoint=tmp_path)
    np.testing.assert_array_equal(resumed.transform(spectra), straight.transform(spectra))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    spectra = counted(100).spectra
    small(epochs=1).fit(spectra, checkpoint=tmp_path)
    with pytest.raises(ConfigError, match="another training"):
        small(epochs=1, seed=1).fit(spectra, checkpoint=tmp_path)
    with pytest.raises(ConfigError, match="another training"):
        small(epochs=1).fit(counted(100, seed=9).spectra, checkpoint=tmp_path)
    file = tmp_path / TENSORS_FILE
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ConfigError, match="damaged"):
        small(epochs=1).fit(spectra, checkpoint=tmp_path)


def test_seeds_make_different_models_and_threads_do_not():
    spectra = counted(200).spectra
    one, same, other = (
        small(epochs=2, **changes).fit(spectra).transform(spectra)
        for changes in ({}, {"device": "cpu"}, {"seed": 1})
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_training_ends_early_when_nothing_improves():
    spectra = counted(300, counts=(40, 41)).spectra
    model = small(epochs=60, patience=2, learning_rate=0.03).fit(spectra)
    history = model.history_
    assert len(history) < 60
    best = min(epoch["validation"] for epoch in history)
    assert history[-3]["validation"] == best


def test_settings_and_random_numbers_of_torch_are_left_alone():
    torch.set_num_threads(2)
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    small(epochs=1).fit(counted(60).spectra)
    assert torch.rand(1) == wanted
    assert torch.get_num_threads() == 2


def test_whole_sources_judge_the_training():
    from survey.latents.models.autoencoder import _some_sources

    spectra = counted(300).spectra
    judges = _some_sources(spectra, 0.2, 0)
    assert judges.sum() == 60
    assert not set(spectra.sources[judges]) & set(spectra.sources[~judges])


def test_the_gradient_knows_that_the_amplitude_is_free():
    torch.manual_seed(0)
    counts, background = torch.poisson(torch.full((3, 20), 5.0)), torch.full((3, 20), 1.0)
    logits = torch.randn(3, 20, requires_grad=True)
    target = Batch(counts, background, torch.ones(3, 20), torch.ones(3, 20))

    def exact(values: torch.Tensor) -> torch.Tensor:
        shape = values.log_softmax(1).exp()
        amplitude = profiled_amplitude(counts, shape, background)
        for _ in range(200):
            rate = shape / (amplitude[:, None] * shape + background)
            amplitude = amplitude * (counts * rate).sum(1) / shape.sum(1)
        mean = amplitude[:, None] * shape + background
        likelihood = (mean - torch.xlogy(counts, mean)).sum(1)
        return (likelihood / torch.sqrt(counts.sum(1) + 1)).sum()

    poisson_loss(logits.log_softmax(1), target).sum().backward()
    (wanted,) = torch.autograd.grad(exact(logits), logits)
    np.testing.assert_allclose(logits.grad, wanted, atol=2e-3)


def test_a_shape_off_by_a_factor_is_no_worse():
    target = Batch(
        torch.full((1, 10), 7.0), torch.zeros(1, 10), torch.ones(1, 10), torch.ones(1, 10)
    )
    flat = torch.zeros(1, 10).log_softmax(1)
    assert poisson_loss(flat, target).item() == pytest.approx(0, abs=1e-4)


def test_weights_of_another_network_are_refused(trained, tmp_path):
    folder = save_model(trained, tmp_path / "model")
    file = folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(IntegrityError):
        load_model(folder)
    replaced = small(epochs=1, width=16).fit(counted(60).spectra)
    card = (folder / "card.json").read_text()
    save_model(replaced, folder)
    new = (folder / "card.json").read_text().replace('"width": 16', '"width": 32')
    assert new != card
    (folder / "card.json").write_text(new)
    with pytest.raises(DataError, match="not a model"):
        load_model(folder)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="device"):
        small(epochs=1, device="abacus").fit(counted(60).spectra)


def test_grids_longer_than_the_network_is_used_to_are_cut_into_longer_patches():
    assert small(epochs=1).fit(counted(40).spectra).network_.architecture.patch == 8
    counts = np.random.default_rng(0).poisson(1.0, (40, 1021))
    odd = SpectrumSet(counts, Grid(np.linspace(0.5, 8.0, 1022), "keV"), "counts")
    model = small(epochs=1).fit(odd)
    architecture = model.network_.architecture
    assert (architecture.patch, architecture.n_patches) == (16, 64)
    assert architecture.patch * architecture.n_patches > 1021, "the last patch is filled up"
    assert np.isfinite(model.expected(odd)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_does_the_same(trained):
    spectra = counted(400).spectra
    model = small(epochs=2, device="cuda").fit(spectra)
    assert np.isfinite(model.transform(spectra)).all()


def test_torch_is_imported_only_when_it_is_used():
    code = (
        "import sys; from survey.latents.models import methods, model_io; "
        "methods.make_representation('autoencoder'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("background_over_source", [0.0, 1.0, 100.0])
def test_amplitudes_are_profiled_to_the_end_whatever_the_background(background_over_source):
    from survey.latents.models.likelihood import counts_amplitude
    from survey.latents.models.transformer.losses import profiled_amplitude

    rng = np.random.default_rng(3)
    shape = rng.dirichlet(np.full(60, 3.0), 50)
    total = 10 ** rng.uniform(1, 4, (50, 1))
    behind = rng.dirichlet(np.full(60, 3.0), 50) * total * background_over_source
    counts = rng.poisson(total * shape + behind).astype(float)
    exact = counts_amplitude(counts, shape, behind, np.ones(counts.shape, bool))
    tables = (torch.tensor(table, dtype=torch.float32) for table in (counts, shape, behind))
    found = profiled_amplitude(*tables).numpy()
    assert (np.abs(found - exact) < 0.01 * np.sqrt(counts.sum(axis=1))).all()
