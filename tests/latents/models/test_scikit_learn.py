"""Representations behave as estimators of scikit-learn do."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from survey.latents.models.array_transformer import ArrayTransformer
from survey.latents.models.autoencoder import TransformerAutoencoder
from survey.latents.models.hardness import HardnessRatios
from survey.latents.models.nmf import SpectralNMF
from survey.latents.models.pca import SpectralPCA
from tests.latents.toys import Toy, counted


@pytest.fixture(scope="module")
def toy() -> Toy:
    return counted(120)


@pytest.mark.parametrize("method", ["pca", "nmf"])
def test_the_transformer_of_arrays_passes_the_checks_of_estimators(method: str) -> None:
    done = check_estimator(ArrayTransformer(method), on_skip=None)
    assert len(done) > 40
    assert {one["status"] for one in done} <= {"passed", "skipped"}
    assert [one["check_name"] for one in done if one["status"] == "skipped"] in (
        [], ["check_array_api_input"]
    )  # fmt: skip


def test_counts_in_arrays_are_represented_as_counts(toy: Toy) -> None:
    model = ArrayTransformer("nmf", 3, kind="counts").fit(toy.spectra.values)
    np.testing.assert_allclose(model.transform(toy.spectra.values).sum(axis=1), 1.0)
    assert list(model.get_feature_names_out()) == [f"arraytransformer{k}" for k in range(3)]
    assert model.inverse_transform(np.eye(3)).shape == (3, toy.spectra.shape[1])
    with pytest.raises(ValueError, match="whole numbers"):
        model.fit(toy.spectra.values + 0.5)


@pytest.mark.parametrize(
    "model",
    [HardnessRatios(), SpectralPCA(5), SpectralNMF(5, seed=3), TransformerAutoencoder(4, width=32)],
)
def test_a_clone_has_the_parameters_and_has_learned_nothing(model) -> None:
    again = clone(model)
    assert again is not model
    assert again.get_params() == model.get_params()
    assert not hasattr(again, "grid_")


def test_spectra_go_through_pipelines_folds_and_searches(toy: Toy) -> None:
    pipeline = make_pipeline(SpectralPCA(3), StandardScaler(), LogisticRegression())
    accuracy = cross_val_score(
        pipeline, toy.spectra, toy.classes, groups=toy.spectra.sources, cv=GroupKFold(3)
    )
    assert accuracy.min() > 0.8
    search = GridSearchCV(pipeline, {"spectralpca__n_latents": [1, 4]}, cv=3)
    assert search.fit(toy.spectra, toy.classes).best_params_ == {"spectralpca__n_latents": 4}


def test_latents_are_a_table_where_that_is_set_and_models_work_as_before(toy: Toy) -> None:
    plain, model = SpectralPCA(2).fit(toy.spectra), SpectralPCA(2).fit(toy.spectra)
    table = model.set_output(transform="pandas").transform(toy.spectra)
    assert list(table.columns) == ["z1", "z2"]
    np.testing.assert_array_equal(table.to_numpy(), plain.transform(toy.spectra))
    np.testing.assert_array_equal(model.expected(toy.spectra), plain.expected(toy.spectra))
    assert model.score(toy.spectra) == plain.score(toy.spectra)


def test_spectra_are_chosen_by_rows_alone(toy: Toy) -> None:
    np.testing.assert_array_equal(toy.spectra[2:4].ids, toy.spectra.ids[2:4])
    np.testing.assert_array_equal(toy.spectra[np.array([5, 1]), ...].ids, toy.spectra.ids[[5, 1]])
    for wrong in (3, (slice(None), 3)):
        with pytest.raises(TypeError, match="by"):
            toy.spectra[wrong]
