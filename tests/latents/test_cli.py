"""`survey latent`, as a user types it."""

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from catalogs.publish import publish
from survey.cli import main
from survey.config import build_settings
from survey.latents.xray.acis import acis_channels
from survey.latents.xray.simulate import simulate_xray
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.run.targets import read_targets
from survey.simulate import simulate_archive
from tests.latents.xray.files import spectrum, write


@pytest.fixture
def survey(monkeypatch, capsys):
    """Run one command line; returns what it printed and complained."""

    def run(line: str, expect: int = 0) -> tuple[str, str]:
        monkeypatch.setattr("sys.argv", ["survey", *shlex.split(line)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert ended.value.code == expect, printed.err
        return printed.out, printed.err

    return run


def acis_file(path: Path, counts: np.ndarray) -> Path:
    columns = [
        fits.Column("CHANNEL", "J", array=np.arange(1, 1025)),
        fits.Column("COUNTS", "J", array=counts),
    ]
    return write(path, spectrum(columns, INSTRUME="ACIS", DETCHANS=1024))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twenty-four detections as pulse-height files, and a table of what they are."""
    folder = tmp_path_factory.mktemp("pha")
    simulated = simulate_xray(24, seed=3, grid=acis_channels())
    for name, counts in zip(simulated.spectra.ids, simulated.spectra.values, strict=True):
        acis_file(folder / f"{name}.pha", counts)
    truth = simulated.truth
    labels = {"id": simulated.spectra.ids, "source": simulated.spectra.sources,
              "class": truth.classes, "log_n_h": np.log10(truth.n_h_1e22)}  # fmt: skip
    Table(labels).write(folder / "labels.csv", format="ascii.csv")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The run of two small galaxies."""
    root = tmp_path_factory.mktemp("run")
    simulate_archive(root / "sim", 2, size=(12, 12), window=(12.4, 13.2), seed=5)
    settings = build_settings({"cut": {"criterion": "fixed", "k": 4}})
    targets = read_targets(root / "sim" / "targets.ecsv")
    publish(root, [GalaxyRunner(target, settings, root).result().path for target in targets])
    return root


def test_files_are_fitted_encoded_and_reconstructed(survey, folder, tmp_path):
    model = tmp_path / "model"
    out, _ = survey(f"latent fit {folder} --out {model} --method nmf --latents 3 --quiet")
    assert out == ""
    survey(f"latent encode {model} {folder} --out {tmp_path}/latents.csv")
    with (tmp_path / "latents.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {"id", "counts", "z1", "z3", "err_z3", "misfit_sigma"} <= rows[0].keys()
    assert all(float(row["err_z1"]) >= 0 for row in rows)
    survey(
        f"latent reconstruct {model} {folder} --out {tmp_path}/all.fits --figure {tmp_path}/a.png"
    )
    table = Table.read(tmp_path / "all.fits")
    assert table["expected"].shape == table["observed"].shape == (24, 128)
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_an_interrupted_training_goes_on(survey, folder, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from survey.latents.models.transformer import training

    epochs, train_epoch = [], training._train_epoch

    def interrupted(network, optimizer, data, schedule, number):
        if number == 2 and len(epochs) == 2:
            epochs.append("stopped")
            raise KeyboardInterrupt
        epochs.append(number)
        return train_epoch(network, optimizer, data, schedule, number)

    monkeypatch.setattr(training, "_train_epoch", interrupted)
    line = f"latent fit {folder} --out {tmp_path}/model --method autoencoder --epochs 3 --latents 2"
    _, complaint = survey(line, expect=75)
    assert "run the same command again" in complaint
    assert "few for a network" in survey(line)[0]
    assert epochs == [0, 1, "stopped", 2]
    assert [path.name for path in tmp_path.iterdir()] == ["model"], "no checkpoint is left"
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["method"] == "autoencoder"
    assert len(card["facts"]["history"]) == 3


def test_a_bad_file_is_told_and_the_others_are_done(survey, folder, tmp_path):
    bad = tmp_path / "bad.pha"
    bad.write_text("nothing")
    model = tmp_path / "model"
    _, complaint = survey(f"latent fit {folder} {bad} --out {model} --method hardness", expect=64)
    assert "bad.pha" in complaint
    assert (model / "card.json").is_file()


@pytest.mark.parametrize("command", ["fit", "encode", "reconstruct", "evaluate"])
def test_backgrounds_are_required_where_named_on_every_command(survey, folder, tmp_path, command):
    lost = tmp_path / "lost.pha"
    with fits.open(next(folder.glob("*.pha"))) as hdus:
        hdus[1].header["BACKFILE"] = "gone.pha"
        hdus.writeto(lost, checksum=True)
    model = tmp_path / "model"
    survey(f"latent fit {folder} --out {model} --method pca --latents 2 -q")
    files = f"{folder} {lost}"
    line = {
        "fit": f"latent fit {files} --out {tmp_path}/other --method pca --latents 2",
        "encode": f"latent encode {model} {files} --no-errors --out {tmp_path}/z.ecsv",
        "reconstruct": f"latent reconstruct {model} {files} --out {tmp_path}/r.fits",
        "evaluate": f"latent evaluate {tmp_path}/e --spectra {folder} --spectra {lost} --seeds 2 "
        "--method pca --latents 2 --no-controls",
    }[command]
    _, complaint = survey(line, expect=64)
    assert "gone.pha in the same folder; found no such file" in " ".join(complaint.split())
    if command == "evaluate":
        return  # 24 more fits would show nothing else
    _, complaint = survey(f"{line} --background optional")
    assert "lost is read without its background" in " ".join(complaint.split())
    _, complaint = survey(f"{line} --background none")
    assert "gone.pha" not in complaint
    assert "required, optional, none" in survey(f"{line} --background some", expect=2)[1]


def test_representations_of_labelled_files_are_compared(survey, folder, tmp_path):
    out, _ = survey(
        f"latent evaluate {tmp_path} --spectra {folder} --labels {folder}/labels.csv "
        "--method pca --method nmf --latents 2 --seeds 2 --no-controls"
    )
    assert out.splitlines()[0].startswith("method")
    assert "nmf-2" in out
    for name in ("records.csv", "summary.csv", "ablation.png", "reconstructions.png"):
        assert (tmp_path / name).stat().st_size > 100


def test_simulated_sources_are_compared(survey, tmp_path):
    out, _ = survey(
        f"latent evaluate {tmp_path} --simulate 200 --method majority --method hardness "
        "--seeds 1 --no-controls"
    )
    header, majority, hardness = out.splitlines()
    assert "KL" in header
    assert "0.125" in majority
    assert hardness.startswith("hardness-3")
    assert (tmp_path / "latent_space_hardness.png").stat().st_size > 10_000


def test_a_run_has_a_model_neighbours_and_oddities(survey, run):
    _, complaint = survey(f"latent anomalies {run}", expect=2)
    assert "survey latent fit" in complaint
    assert "nmf of 8 spectra" in survey(f"latent fit {run}")[0], "fewer than pca would need"
    odd = json.loads(survey(f"latent anomalies {run} --json")[0])
    assert len(odd) == 8
    assert odd[0]["score"] == max(row["score"] for row in odd)
    name = odd[0]["cluster"]
    table = pd.read_parquet(run / "catalog" / "latents.parquet")
    first = table.loc[table["anomaly"].idxmax()]
    assert f"{first['galaxy']}/{first['cluster']}" == name
    assert "nothing has changed" in survey(f"latent publish {run}")[0]
    near = json.loads(survey(f"latent neighbours {run} '{name}' --number 3 --json")[0])
    assert len(near) == 3
    assert name not in {row["cluster"] for row in near}
    text, _ = survey(f"latent neighbours {run} '{name}'")
    assert near[0]["cluster"] in text


def test_an_autoencoder_of_clusters_is_refused_fitted_and_kept(survey, run, tmp_path):
    _, complaint = survey(f"latent fit {run} --method autoencoder --out {tmp_path}/m", expect=2)
    words = " ".join(complaint.split())
    assert "autoencoder cannot represent such spectra; expected counts; found flux" in words
    assert "nmf or pca" in words
    kept = tmp_path / "kept"
    survey(f"latent fit {run} --out {kept}")
    card = json.loads((kept / "card.json").read_text())
    (kept / "card.json").write_text(json.dumps(card | {"method": "autoencoder"}))
    for line in (f"latent publish {run} --model {kept}", f"latent encode {kept} {run}"):
        _, complaint = survey(line, expect=2)
        words = " ".join(complaint.split())
        assert "autoencoder does not represent such spectra any more" in words
        assert "Fit the model again" in words
    survey(f"latent fit {run} --out {kept}")
    assert json.loads((kept / "card.json").read_text())["method"] == "nmf"


def test_clusters_that_cannot_be_evaluated_are_an_error_that_says_why(survey, run, tmp_path):
    line = f"latent evaluate {tmp_path} --spectra {run} --seeds 1"
    words = " ".join(survey(line, expect=2)[1].split())
    assert "expected 4 sources or galaxies; found 2" in words
    words = " ".join(survey(f"{line} --method hardness", expect=2)[1].split())
    assert "nothing to score; expected methods that represent flux" in words
    assert "nmf or pca" in words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("latent fit {folder} --method pca", "--out"),
        ("latent fit {folder} --out {tmp}/m --method magic", "hardness, physical, pca"),
        ("latent fit {run} {folder} --out {tmp}/m", "one run"),
        ("latent fit {tmp} --out {tmp}/m", "no spectra"),
        ("latent encode {tmp} {folder}", "not a model"),
        ("latent evaluate {tmp}/e", "--simulate N or --spectra FILES"),
        ("latent evaluate {tmp}/e --spectra {folder} --labels {tmp}/none.csv", "does not exist"),
        ("latent neighbours {tmp} a/1", "no survey has run"),
        ("latent neighbours {run} a/1 --model {tmp}", "not a model"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(line, words, survey, folder, run, tmp_path):
    _, complaint = survey(line.format(folder=folder, run=run, tmp=tmp_path), expect=2)
    assert words in complaint
    assert "Traceback" not in complaint


@pytest.mark.real_data
def test_a_model_of_a_list_of_sources_encodes_spectra_through_their_responses(
    survey, shared_data, tmp_path
):
    files = sorted((shared_data / "xray").glob("*_pha3.fits.gz"))
    files.append(shared_data / "xray" / "9774.pi")
    rows = [f"{path.name.split('_')[0]},{path}" for path in files]
    (tmp_path / "list.csv").write_text("\n".join(["name,files", *rows]) + "\n")
    (tmp_path / "latent.toml").write_text('[model]\nmethod = "pca"\nlatents = 2\n')
    out = tmp_path / "out"
    survey(f"latent run {tmp_path}/list.csv --out {out} --settings {tmp_path}/latent.toml -q")
    survey(f"latent encode {out} {' '.join(map(str, files))} --out {tmp_path}/z.ecsv --no-errors")
    encoded = Table.read(tmp_path / "z.ecsv")
    table = pd.read_parquet(out / "sources.parquet")
    for row in encoded:
        (known,) = [
            one for _, one in table.iterrows() if row["id"].startswith(one["source"].split(".")[0])
        ]
        np.testing.assert_allclose([row["z1"], row["z2"]], known["latent"], rtol=1e-9)

    near = json.loads(survey(f"latent neighbours {out} 9774.pi --number 2 --json")[0])
    row = table.set_index("source").loc["9774.pi"]
    assert [one["source"] for one in near] == list(row["neighbour"])[:2]
    np.testing.assert_allclose(
        [one["distance"] for one in near], row["neighbour_distance"][:2], atol=1e-4
    )
    odd = json.loads(survey(f"latent anomalies {out} --json")[0])
    assert [one["source"] for one in odd] == list(
        table.sort_values("anomaly", ascending=False, kind="stable")["source"]
    )
    assert "no source 'nobody'" in survey(f"latent neighbours {out} nobody", expect=2)[1]
    complaint = survey(f"latent anomalies {out} --model {out}/model", expect=2)[1]
    assert "those of its own model" in complaint

    blind = tmp_path / "blind.pi"
    blind.write_bytes(files[-1].read_bytes())
    complaint = survey(f"latent encode {out} {blind} --background none", expect=2)[1]
    assert "compares spectra through their responses" in complaint
    assert "1 of 1 spectra have no response" in complaint


@pytest.mark.real_data
def test_observed_spectra_are_encoded(survey, shared_data, tmp_path):
    files = shared_data / "xray"
    survey(f"latent fit {files} --out {tmp_path}/model --method pca --latents 2")
    survey(f"latent encode {tmp_path}/model {files} --out {tmp_path}/latents.ecsv")
    table = Table.read(tmp_path / "latents.ecsv")
    assert len(table) == 6
    assert np.isfinite([table[name] for name in ("z1", "z2", "err_z1")]).all()
