"""The runs that stand in for computed ones in benchmarks have the tables of today."""

from catalogs import open_catalog
from tests.benchmarks.speed.simulated_run import write_run


def test_a_simulated_run_of_a_benchmark_is_a_catalog(tmp_path) -> None:
    run = write_run(tmp_path, 12, 4, labelled_fraction=0.5)
    catalog = open_catalog(run.root)
    assert len(catalog.galaxies) == 3
    assert len(catalog.clusters) == len(run.truth) == 12
    assert run.labels.exists()
