"""A list of sources becomes a table of latents, classes and scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from survey.cli import app
from survey.latents.xray.csc_query import csc_facts
from tests.latents.conftest import Archive
from tests.latents.run.forty_sources import FortySources


@pytest.fixture
def forty(chandra: Archive, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> FortySources:
    monkeypatch.setitem(csc_facts(), "query_url", chandra.query_url)
    monkeypatch.setitem(csc_facts(), "retrieve_url", chandra.retrieve_url)
    made = FortySources(shared_data / "xray")
    made.serve(chandra)
    return made


def write_list(made: FortySources, path: Path) -> Path:
    """Two thirds by name, the others by position; a row that is none, and a source of nowhere."""
    rows = ["name,ra,dec"]
    for k, one in enumerate(made.sources):
        rows.append(f"{one.name},," if k % 3 else f",{one.ra + 1 / 3600:.6f},{one.dec}")
    rows += ["M 31,,", "2CXO J235959.9-895959,,"]
    path.write_text("\n".join(rows) + "\n")
    return path


def write_labels(made: FortySources, path: Path) -> Path:
    """Half of the sources by their names, half by their positions alone; columns of any name."""
    rows = [
        {
            "Designation": one.name if k % 2 else "",
            "RA_x": one.ra, "DE_x": one.dec, "Kind": one.kind, "Bib": one.reference,
        }
        for k, one in enumerate(made.sources)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


SETTINGS = """
[labels]
id = "Designation"
class = "Kind"
reference = "Bib"
ra = "RA_x"
dec = "DE_x"
rename = { "4938" = "star" }

[model]
method = "nmf"
latents = 4
compared = ["hardness", "pca"]
seeds = 1
"""


def run(*options: object, expect: int = 0) -> tuple[dict, str]:
    done = CliRunner().invoke(app, ["latent", "run", *map(str, options), "--json"])
    assert done.exit_code == expect, done.output
    return json.loads(done.stdout), done.stderr


@pytest.mark.real_data
def test_forty_sources_go_from_a_list_to_classes_and_scores(
    forty: FortySources, chandra: Archive, tmp_path: Path
) -> None:
    listed = write_list(forty, tmp_path / "list.csv")
    labels = write_labels(forty, tmp_path / "labels.csv")
    (tmp_path / "latent.toml").write_text(SETTINGS)
    broken, whole = forty.sources[10], chandra.retrieve
    chandra.retrieve = lambda *n: (200, b"none") if n in broken.detections else whole(*n)
    out = tmp_path / "out"
    command = (listed, "--out", out, "--labels", labels, "--settings", tmp_path / "latent.toml")
    facts, complaint = run(*command, expect=64)
    assert (facts["listed"], facts["bad_rows"]) == (42, 1)
    assert (facts["sources"], facts["spectra"], facts["fetched"]) == (39, 44, 44)
    assert facts["responses"] >= 5
    assert facts["without_response"] == facts["without_background"] == 0
    assert "row 41" in complaint
    assert "2CXO J235959.9-895959" in complaint
    assert f"{broken.detections[0][0]}.0.{broken.detections[0][2]}" in complaint
    assert (facts["labelled_by_name"], facts["labelled_by_position"]) == (20, 19)

    table = pd.read_parquet(out / "sources.parquet").set_index("source")
    truth = {one.name: one for one in forty.sources}
    assert set(table.index) == set(truth) - {broken.name}
    for name, row in table.iterrows():
        expected = {"4938": "star"}.get(truth[name].kind, truth[name].kind)
        assert row["label"] == expected
        assert row["n_detection"] == len(truth[name].detections)
        assert name not in list(row["neighbour"])
        assert len(row["latent"]) == len(row["latent_equal"]) == 4
        np.testing.assert_allclose(
            np.sqrt(np.diag(np.reshape(row["cov_latent"], (4, 4)))), row["err_latent"]
        )
        assert row["piled_up"] == (row["pile_up"] > 0.05)
    assert (table["class"] == table["label"]).mean() > 0.6, "four classes: chance is a quarter"
    probabilities = table[[c for c in table.columns if c.startswith("p_")]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert table["log_n_h"].between(19.4, 24.1).all()
    assert table["class_held_out"].all()

    scores = pd.read_parquet(out / "label_scores.parquet")
    assert set(scores["labels"]) == {"all", "without X-ray-selected"}
    assert set(scores["method"]) == {"majority", "hardness", "pca", "nmf"}
    provenance = pd.read_parquet(out / "provenance.parquet")
    assert provenance["n_source"].sum() == 39
    uses = dict(zip(provenance["reference"], provenance["used_xray"], strict=True))
    assert uses["2006A&A...455.1165L"] == "yes"
    assert uses["2012AJ....144..192M"] == uses["1956ApJ...124..530S"] == "no"
    counted = scores.set_index("labels")["n_source"].to_dict()
    assert counted["without X-ray-selected"] < counted["all"] == 39

    asked = len(chandra.requests)
    chandra.retrieve = whole
    again, _ = run(*command, expect=64)
    assert (again["fetched"], again["present"], again["sources"]) == (1, 44, 40)
    assert len(chandra.requests) == asked + 1, "only what was missing is asked for"


def local_list(shared_data: Path, path: Path) -> Path:
    folder = shared_data / "xray"
    Table(
        {
            "Object": ["3C 186", "M101"],
            "Pha": [
                str(folder / "9774.pi"),
                ";".join(str(one) for one in sorted(folder.glob("acisf0[24]7*_pha3.fits.gz"))),
            ],
        }
    ).write(path, format="votable" if path.suffix == ".vot" else "ascii.ecsv")
    return path


@pytest.mark.real_data
@pytest.mark.parametrize("ending", [".vot", ".ecsv"])
def test_files_that_are_here_are_read_where_they_are(
    shared_data: Path, tmp_path: Path, ending: str
) -> None:
    listed = local_list(shared_data, tmp_path / f"list{ending}")
    (tmp_path / "latent.toml").write_text('[sources]\nid = "Object"\nfiles = "Pha"\n')
    facts, _ = run(listed, "--out", tmp_path / "out", "--settings", tmp_path / "latent.toml")
    assert (facts["sources"], facts["spectra"], facts["failed"]) == (2, 4, 0)
    assert any("too few" in note for note in facts["notes"])
    table = pd.read_parquet(tmp_path / "out" / "sources.parquet").set_index("source")
    assert table.loc["M101", "n_detection"] == 3
    assert table.loc["3C 186", "photon_index"] == pytest.approx(1.74, abs=0.08)
    assert table.loc["3C 186", "c_statistic"] < 1.3 * table.loc["3C 186", "n_bin"]
    schema = pq.read_schema(tmp_path / "out" / "sources.parquet")
    assert schema.field("exposure").metadata[b"unit"] == b"s"
    assert schema.metadata[b"table"] == b"sources"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("policy", "sources", "background", "reason"),
    [
        ("required", 0, None, None),
        ("optional", 1, "none", "the background spectrum is missing"),
        ("none", 1, "none", "--background none"),
    ],
)
def test_why_a_source_has_no_background_is_in_its_row(
    shared_data: Path, tmp_path: Path, policy: str, sources: int, background: str, reason: str
) -> None:
    for name in ("9774.pi", "9774.arf", "9774.rmf"):
        (tmp_path / name).symlink_to(shared_data / "xray" / name)
    (tmp_path / "list.csv").write_text("name,files\n3C 186,9774.pi\nother,missing.pi\n")
    options = (tmp_path / "list.csv", "--out", tmp_path / "out", "--background", policy)
    if not sources:
        done = CliRunner().invoke(app, ["latent", "run", *map(str, options)])
        assert done.exit_code != 0
        assert "not one spectrum" in str(done.exception)
        return
    facts, complaint = run(*options, expect=64)
    assert "missing.pi" in complaint
    assert facts["without_background"] == 1
    table = pd.read_parquet(tmp_path / "out" / "sources.parquet")
    assert table["background"].tolist() == [background]
    assert reason in table["background_reason"][0]
