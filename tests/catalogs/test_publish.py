"""At every moment there is one whole catalog, and it follows from the parts alone."""

import errno
import fcntl
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, pairwise

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

import catalogs.publish
from catalogs import SCHEMA_VERSION, CatalogError, open_catalog, versions
from catalogs.parts import PartStore
from catalogs.publish import PART_TABLES, publish
from catalogs.schema import declared_tables

FAILURE = {"galaxy": "NGC 9", "stage": "read", "error": "DataError", "message": "all NaN"}


def content(root):
    """All tables of the current catalog without the columns that vary from run to run."""
    catalog = open_catalog(root)
    return {
        name: pq.ParquetDataset(catalog.files(name)).read(
            [column.name for column in table.columns if not column.volatile]
        )
        for name, table in declared_tables().items()
    }


def all_versions(root):
    return sorted(path.name for path in (root / ".versions").glob("v*"))


def test_tables_hold_the_rows_of_all_parts_in_order_of_galaxy(run):
    galaxies = pd.read_parquet(run / "catalog/galaxies.parquet")
    assert list(galaxies["galaxy"]) == ["123", "NGC 1", "NGC 2"]
    clusters = pd.read_parquet(run / "catalog/clusters.parquet")
    assert list(clusters["galaxy"]) == ["123", "123", "NGC 1", "NGC 1", "NGC 2", "NGC 2"]
    assert list(clusters["flux"]) == [2, 2, 3, 3, 1, 1]
    spaxels = pd.read_parquet(run / "catalog/spaxels")
    assert spaxels.groupby("galaxy").size().to_dict() == {"123": 12, "NGC 1": 12, "NGC 2": 12}
    assert len(pd.read_parquet(run / "catalog/spectra")) == 6
    assert list(pd.read_parquet(run / "catalog/quarantine.parquet")["galaxy"]) == ["NGC 9"]


def test_pandas_and_pyarrow_alone_read_a_catalog(run):
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"catalogs", "survey", "astropy", "dask", "xarray"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import pandas
clusters = pandas.read_parquet({str(run / "catalog/clusters.parquet")!r})
assert clusters["flux_NeII_12.81"].sum() == clusters["flux"].sum() * 1e-18
assert clusters["galaxy"].tolist()[0] == "123"
nuclear = clusters[clusters["nuclear"] & clusters["detected_NeII_12.81"]]
assert len(nuclear) == 3
one = pandas.read_parquet(
    {str(run / "catalog/spaxels")!r}, columns=["snr"], filters=[("galaxy", "==", "123")]
)
assert len(one) == 12
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_columns_with_a_dot_in_their_name_can_be_chosen_and_filtered(run):
    chosen = pd.read_parquet(
        run / "catalog/clusters.parquet",
        columns=["galaxy", "flux_NeII_12.81"],
        filters=[("flux_NeII_12.81", ">", 2.5e-18)],
    )
    assert list(chosen["galaxy"]) == ["NGC 1", "NGC 1"]


def test_facts_of_the_publisher_are_in_every_table(run):
    schema = pq.read_schema(run / "catalog/clusters.parquet")
    assert schema.metadata[b"survey_version"] == b"0"
    assert schema.metadata[b"schema_version"] == SCHEMA_VERSION.encode()


def test_a_survey_without_results_has_empty_tables(tmp_path):
    publish(tmp_path, [])
    for name in ("clusters.parquet", "spaxels", "spectra", "quarantine.parquet"):
        assert len(pd.read_parquet(tmp_path / "catalog" / name)) == 0


def test_nothing_new_makes_no_new_version(run, make_part):
    parts = [make_part(galaxy, 1.0 + i) for i, galaxy in enumerate(("NGC 2", "123", "NGC 1"))]
    facts = {"survey_version": "0"}
    assert publish(run, reversed(parts), [FAILURE], metadata=facts).name == "v0001"
    assert publish(run, parts, [], metadata=facts).name == "v0002"
    assert publish(run, parts[:2], [], metadata=facts).name == "v0003"
    assert publish(run, parts[:2], [], metadata={}).name == "v0004"
    assert (run / "catalog").resolve() == run / ".versions/v0004"


def test_a_version_that_lost_a_file_is_replaced(run, make_part):
    before = content(run)
    parts = [make_part(galaxy, 1.0 + i) for i, galaxy in enumerate(("NGC 2", "123", "NGC 1"))]
    (run / "catalog/clusters.parquet").unlink()
    publish(run, parts, [FAILURE], metadata={"survey_version": "0"})
    assert content(run) == before


def test_the_content_depends_on_the_parts_only(tmp_path, make_part):
    parts = [make_part(f"NGC {number}", number) for number in range(1, 6)]
    publish(tmp_path, parts[:2])
    publish(tmp_path, parts[::-1], [FAILURE])
    piecewise = content(tmp_path)
    fresh = tmp_path / "fresh"
    publish(fresh, parts, [FAILURE])
    assert content(fresh) == piecewise
    names = [
        sorted(re.sub(r"-v\d+", "", path.name) for path in (root / "catalog").rglob("*.parquet"))
        for root in (tmp_path, fresh)
    ]
    assert names[0] == names[1]


def test_timings_alone_do_not_change_the_content(tmp_path, make_part):
    def slower(tables):
        tables["galaxies"][0]["seconds_total"] = 99.0

    publish(tmp_path / "one", [make_part("NGC 1")])
    PartStore(tmp_path)._discard(PartStore(tmp_path).path("NGC 1", "features", "k1"))
    publish(tmp_path / "two", [make_part("NGC 1", edit=slower)])
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert open_catalog(tmp_path / "two").galaxies["seconds_total"][0] == 99.0


def test_large_tables_are_split_between_galaxies_and_filters_skip_the_rest(
    tmp_path, make_part, monkeypatch
):
    monkeypatch.setattr(catalogs.publish, "ROW_GROUP_BYTES", 500)
    monkeypatch.setattr(catalogs.publish, "FILE_BYTES", 3000)
    publish(tmp_path, [make_part(f"NGC {number:02d}") for number in range(6)])
    files = open_catalog(tmp_path).files("spaxels")
    assert len(files) > 1
    ranges = []
    for file in files:
        parquet = pq.ParquetFile(file)
        for number in range(parquet.num_row_groups):
            statistics = parquet.metadata.row_group(number).column(0).statistics
            ranges.append((statistics.min, statistics.max))
    assert len(ranges) == 6
    assert all(low == high for low, high in ranges)
    assert ranges == sorted(ranges)


def test_parts_are_not_all_in_memory_at_once(tmp_path, make_part, monkeypatch):
    def enlarge(tables):
        count = 20_000
        tables["spectra"] |= {
            name: [[1.0] * count] * 2 for name in ("wavelength_um", "median", "sum", "mean")
        }

    parts = [make_part(f"NGC {number:02d}", edit=enlarge) for number in range(6)]
    monkeypatch.setattr(catalogs.publish, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(catalogs.publish, "PARTS_AHEAD", 1)
    allocated = []
    read = catalogs.publish.read_part_table

    def read_and_measure(*arguments):
        allocated.append(pa.total_allocated_bytes())
        return read(*arguments)

    monkeypatch.setattr(catalogs.publish, "read_part_table", read_and_measure)
    before = pa.total_allocated_bytes()
    publish(tmp_path, parts)
    one_part = 2 * 20_000 * (8 + 3 * 4)
    assert max(allocated) - before < 4 * one_part


def test_old_versions_go_once_nobody_can_be_reading_them(tmp_path, make_part, monkeypatch):
    parts = [make_part(f"NGC {number}") for number in range(5)]
    for number in range(1, 6):
        publish(tmp_path, parts[:number])
    assert all_versions(tmp_path) == ["v0001", "v0002", "v0003", "v0004", "v0005"]
    monkeypatch.setattr(versions, "READER_GRACE_S", 0.0)
    publish(tmp_path, parts[1:])
    assert all_versions(tmp_path) == ["v0004", "v0005", "v0006"]


def test_a_version_that_was_removed_by_half_is_removed_though_nothing_is_new(
    tmp_path, make_part, monkeypatch
):
    parts = [make_part(f"NGC {number}") for number in range(5)]
    for number in range(1, 5):
        publish(tmp_path, parts[:number])
    (tmp_path / ".versions" / "v0001" / "_manifest.json").unlink()
    monkeypatch.setattr(versions, "READER_GRACE_S", 0.0)
    publish(tmp_path, parts[:4])
    assert all_versions(tmp_path) == ["v0002", "v0003", "v0004"]
    assert not (tmp_path / ".versions" / ".v0001.json").exists()


@pytest.mark.parametrize("clock_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_removes_no_version_that_is_kept(
    tmp_path, make_part, set_clock, clock_s
):
    now = time.time()
    parts = [make_part(f"NGC {number}") for number in range(5)]
    for number in range(1, 4):
        publish(tmp_path, parts[:number])
    set_clock(now + clock_s)
    publish(tmp_path, parts[:4])
    assert set(all_versions(tmp_path)) >= {"v0002", "v0003", "v0004"}
    assert len(open_catalog(tmp_path).galaxies) == 4


def test_folders_that_are_no_versions_are_left_alone(run, make_part):
    (run / ".versions" / "v0001 (copy)").mkdir()
    assert publish(run, [make_part("NGC 4")]).name == "v0002"


def test_readers_always_find_one_whole_catalog(tmp_path, make_part):
    """In each version all values are equal and tell the number of galaxies."""
    generations = [[make_part(f"NGC {i}", value) for i in range(value)] for value in range(1, 5)]
    publish(tmp_path, generations[0])
    done = threading.Event()
    seen = set()

    def read():
        while not done.is_set():
            catalog = open_catalog(tmp_path)
            n_galaxy = len(catalog.galaxies)
            assert (catalog.clusters["flux"] == n_galaxy).all()
            assert (catalog.spectra()["median"].map(max) == n_galaxy).all()
            assert len(catalog.clusters) == len(catalog.spectra()) == 2 * n_galaxy
            # By its path pyarrow would open the file twice, before and after a swap.
            with (tmp_path / "catalog/clusters.parquet").open("rb") as file:
                plain = pd.read_parquet(file)
            assert len(plain) == 2 * plain["flux"].unique().item()
            seen.add(n_galaxy)

    with ThreadPoolExecutor() as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for generation in cycle(generations):
            publish(tmp_path, generation)
            if len(seen) == len(generations) or any(reader.done() for reader in readers):
                break
        done.set()
    for reader in readers:
        reader.result()


def test_data_of_one_version_cannot_be_read_by_the_footer_of_the_next(run, make_part):
    """As pandas would, that opens a file twice, if the link is swapped in between."""
    versions_of_run = [(run / "catalog").resolve()]
    for n_galaxy in (4, 5):
        parts = [make_part(f"NGC {i}") for i in range(n_galaxy)]
        versions_of_run.append(publish(run, parts))
    for first, second in [*pairwise(versions_of_run), *pairwise(versions_of_run[::-1])]:
        n_column = 0
        for name in ("galaxies", "clusters", "parts", "splits"):
            footer = pq.read_metadata(first / f"{name}.parquet")
            for column in footer.schema.to_arrow_schema().names if footer.num_rows else ():
                file = pq.ParquetFile(second / f"{name}.parquet", metadata=footer)
                with pytest.raises(OSError):  # noqa: PT011 (any: it depends on the page)
                    file.read(columns=[column])
                n_column += 1
        assert n_column > 100


def test_a_folder_that_was_listed_before_the_swap_is_not_found_after_it(run):
    listed = pyarrow.dataset.dataset(run / "catalog/spaxels")
    assert listed.count_rows() == 36
    publish(run, (run / "parts").glob("*/*"))  # the same galaxies, none in quarantine
    with pytest.raises(FileNotFoundError):
        listed.to_table()


@pytest.mark.parametrize(
    "function",
    [
        "catalogs.publish._write_files",  # nothing written yet
        "catalogs.publish.flush_tree",  # all written, not yet renamed
        "catalogs.versions.make_current",  # the version is there, the link is the old one
        "pathlib.Path.replace",  # the new link is there, under another name
    ],
)
def test_a_publisher_killed_anywhere_leaves_the_catalog_before(run, make_part, killed_at, function):
    before = content(run)
    part = make_part("NGC 4")
    killed_at(function, f"publish({str(run)!r}, [Path({str(part)!r})])")
    assert content(run) == before
    publish(run, [part])
    fresh = run / "fresh"
    publish(fresh, [part])
    assert content(run) == content(fresh)
    assert not (run / ".versions/.building").exists()


def test_a_second_publisher_waits_and_then_says_why(run, make_part, monkeypatch):
    monkeypatch.setattr(catalogs.publish, "LOCK_TIMEOUT_S", 0.05)
    with (run / ".versions/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CatalogError, match="another process is publishing"):
            publish(run, [make_part("NGC 4")])


def test_a_file_system_without_locks_keeps_nobody_from_publishing(run, make_part, monkeypatch):
    def unsupported(*args):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    publish(run, [make_part("NGC 4")])
    assert open_catalog(run).galaxies["galaxy"].tolist() == ["NGC 4"]


def test_two_parts_of_one_galaxy_are_an_error(tmp_path, make_part):
    with pytest.raises(CatalogError, match="two parts of galaxy 'NGC 1'"):
        publish(tmp_path, [make_part("NGC 1", 1.0), make_part("NGC 1", 2.0)])


def test_a_damaged_part_is_never_published(run, make_part):
    before = content(run)
    part = make_part("NGC 4")
    data = bytearray((part / "spaxels.arrow").read_bytes())
    data[100] ^= 1
    (part / "spaxels.arrow").write_bytes(data)
    with pytest.raises(CatalogError, match=r"spaxels\.arrow: the part is damaged"):
        publish(run, [part])
    assert content(run) == before


def test_a_part_of_another_schema_is_never_published(tmp_path):
    table = pa.table({"galaxy": ["NGC 1"]})

    def write(folder):
        for name in PART_TABLES:
            with ipc.new_file(folder / f"{name}.arrow", table.schema) as writer:
                writer.write_table(table)

    part = PartStore(tmp_path).commit("NGC 1", "features", "k", write).path
    with pytest.raises(CatalogError, match=r"another schema; expected version \d+; found none"):
        publish(tmp_path, [part])


def test_a_part_without_a_table_is_an_error(tmp_path):
    part = PartStore(tmp_path).commit("NGC 1", "features", "k", lambda folder: None).path
    with pytest.raises(CatalogError, match="no table 'galaxies'"):
        publish(tmp_path, [part])


def test_a_copy_without_links_is_not_overwritten(run, make_part):
    target = (run / "catalog").resolve()
    (run / "catalog").unlink()
    target.rename(run / "catalog")
    with pytest.raises(CatalogError, match="expected a symbolic link"):
        publish(run, [make_part("NGC 4")])
    assert len(open_catalog(run).galaxies) == 3
