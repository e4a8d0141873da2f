"""The autoencoder of counts with responses decodes photons, and each spectrum folds them itself."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from survey.latents.folding import UNKNOWN_RESPONSE  # noqa: E402
from survey.latents.models.autoencoder import (  # noqa: E402
    FORMER_LAYERS,
    TransformerAutoencoder,
)
from survey.latents.models.model_io import load_model, save_model  # noqa: E402
from survey.latents.models.transformer.responses import Responses  # noqa: E402
from survey.latents.spectra import SpectrumSet  # noqa: E402
from tests.latents.toys import counted, through_two_responses  # noqa: E402

SMALL = {"n_latents": 3, "width": 16, "hidden": 32, "layers": 1, "components": 12}


@pytest.fixture(scope="module")
def seen() -> SpectrumSet:
    """The same 60 sources through two responses."""
    return through_two_responses(60, seed=8)


@pytest.fixture(scope="module")
def trained(seen: SpectrumSet) -> TransformerAutoencoder:
    return TransformerAutoencoder(**SMALL, epochs=6, batch=32).fit(seen)


def test_a_network_folds_as_the_matrices_do_whatever_the_order(seen: SpectrumSet) -> None:
    rng = np.random.default_rng(0)
    which = rng.permutation(np.repeat([0, 1], 7))
    photons = rng.uniform(size=(14, len(seen.folding.energies)))
    found = Responses(seen.folding, 100.0).fold(
        torch.tensor(photons, dtype=torch.float32), torch.from_numpy(which)
    )
    np.testing.assert_allclose(found, seen.folding.fold(photons, which) / 100, rtol=2e-4)


def test_what_is_expected_of_a_spectrum_is_its_photons_through_its_own_response(
    trained: TransformerAutoencoder, seen: SpectrumSet
) -> None:
    latents = np.repeat(trained.transform(seen)[:1], 120, axis=0)
    shape = trained.seen_shapes(seen, latents)
    photons = np.exp(trained._decoded(latents[:1]))[0]
    np.testing.assert_allclose(photons.sum(), 1.0, rtol=1e-4)
    for row in (0, 60):
        wanted = photons @ seen.folding.matrix(int(seen.response[row])).toarray()
        np.testing.assert_allclose(shape[row], wanted / wanted.sum(), rtol=1e-6)
    assert shape[60, 100] > 2 * shape[0, 100]
    expected = trained.expected(seen)
    np.testing.assert_allclose(expected.sum(axis=1), seen.totals, rtol=0.02, atol=3)


def test_one_source_has_the_same_latents_through_either_response(
    trained: TransformerAutoencoder, seen: SpectrumSet
) -> None:
    latents = trained.transform(seen)
    apart = np.abs(latents[60:].mean(axis=0) - latents[:60].mean(axis=0))
    assert (apart < 0.3 * latents.std(axis=0)).all()


def test_a_spectrum_of_unknown_response_is_decoded_through_the_mean_one(
    trained: TransformerAutoencoder, seen: SpectrumSet
) -> None:
    unknown = replace(seen, response=np.full(120, UNKNOWN_RESPONSE))
    latents = trained.transform(unknown)
    np.testing.assert_allclose(
        trained.seen_shapes(unknown, latents), trained.inverse_transform(latents), rtol=1e-9
    )


def test_training_through_responses_goes_on_where_it_was_stopped(
    seen: SpectrumSet, tmp_path
) -> None:
    def stop(epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    straight = TransformerAutoencoder(**SMALL, epochs=2).fit(seen)
    with pytest.raises(KeyboardInterrupt):
        TransformerAutoencoder(**SMALL, epochs=2).fit(seen, checkpoint=tmp_path, progress=stop)
    resumed = TransformerAutoencoder(**SMALL, epochs=2).fit(seen, checkpoint=tmp_path)
    np.testing.assert_array_equal(resumed.transform(seen), straight.transform(seen))
    save_model(resumed, tmp_path / "model")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model").expected(seen), resumed.expected(seen)
    )


def former_layer(tokens: torch.Tensor, weights: dict[str, torch.Tensor], heads: int):
    """The encoder layer of earlier versions, from its weights by their former names."""

    def part(name: str, values: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(
            values, weights[f"{name}.weight"], weights[f"{name}.bias"]
        )

    def norm(name: str, values: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm(
            values, values.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"]
        )

    n, t, d = tokens.shape
    three = part("query_key_value", norm("before_attention", tokens))
    query, key, value = three.view(n, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    attention = (query @ key.transpose(-1, -2) / (d // heads) ** 0.5).softmax(-1)
    tokens = tokens + part("attended", (attention @ value).transpose(1, 2).reshape(n, t, d))
    inner = torch.nn.functional.gelu(
        part("inner.0", norm("before_inner", tokens)), approximate="tanh"
    )
    return tokens + part("inner.2", inner)


def test_a_model_of_earlier_versions_still_applies() -> None:
    """Its encoder layers had other names, it decoded counts, and had a buffer that is not used."""
    model = TransformerAutoencoder(**SMALL, epochs=1).fit(counted(60).spectra)
    former = {"scatter": np.ones(64, np.float32)}
    for name, value in model.arrays().items():
        for old, new in FORMER_LAYERS.items():
            if name.startswith("blocks."):
                name = name.replace(f".{new}", f".{old}")
        former[name] = value
    assert "blocks.0.query_key_value.weight" in former
    again = TransformerAutoencoder(**SMALL)
    for name in ("grid_", "kind_", "mean_shape_", "background_", "response_"):
        setattr(again, name, getattr(model, name))
    again.restore(former)
    spectra = counted(20, seed=3).spectra
    np.testing.assert_array_equal(again.transform(spectra), model.transform(spectra))
    weights = {
        name.removeprefix("blocks.0."): torch.tensor(value)
        for name, value in former.items()
        if name.startswith("blocks.0.")
    }
    tokens = torch.randn(4, 9, SMALL["width"])
    with torch.no_grad():
        np.testing.assert_allclose(
            model.network_.blocks[0](tokens), former_layer(tokens, weights, 4), atol=2e-6
        )


def test_a_model_that_decoded_counts_of_spectra_with_responses_still_does(
    seen: SpectrumSet, tmp_path
) -> None:
    blind = replace(seen, folding=None, response=None)
    model = TransformerAutoencoder(**SMALL, epochs=1).fit(blind)
    model.response_ = TransformerAutoencoder(**SMALL, epochs=1).fit(seen).response_
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    latents = again.transform(seen)
    np.testing.assert_allclose(
        again.seen_shapes(seen, latents), again.inverse_transform(latents) * again.relative(seen)
    )
