"""A cube that no reader recognises, from `survey inspect` to a catalog."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from astropy.io import fits

from catalogs.part_tables import read_part_table
from survey.config import build_settings, load_settings
from survey.pipeline.galaxy.runner import GalaxyRunner
from survey.pipeline.galaxy.target import Target
from survey.simulate import simulate_archive

CUT = {"criterion": "fixed", "k": 2}
BY_HAND = {
    "flux": "SCI",
    "error": "ERR",
    "error_is": "sigma",
    "mask": "DQ",
    "instrument": "MIRI/MRS",
}


def survey(*arguments: object, expect: int) -> str:
    command = [sys.executable, "-c", "from survey.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unknown")
    simulate_archive(folder, 1, size=(10, 10), window=(12.5, 13.1), seed=2)
    (path,) = folder.glob("*_s3d.fits")
    with fits.open(path) as hdus:
        del hdus[0].header["TELESCOP"]
        hdus.writeto(folder / "cube.fits")
    return folder / "cube.fits"


def test_the_block_that_inspect_prints_is_pasted_and_gives_the_result_of_settings_by_hand(
    cube, tmp_path
):
    printed = survey("inspect", cube, "--redshift", "0.01", expect=64)
    assert "10 x 10 spaxels" in printed  # as it would be read with the guesses
    block = printed[printed.index("[read.generic]") :]
    targets = f"galaxy,files,redshift\nn1,{cube},0.01\n"
    (tmp_path / "targets.csv").write_text(targets)
    settings = tmp_path / "survey.toml"
    settings.write_text(f'targets = "targets.csv"\n[cut]\ncriterion = "fixed"\nk = 2\n\n{block}')
    by_hand = build_settings({"cut": CUT, "read": {"generic": BY_HAND}})
    assert load_settings(settings).read == by_hand.read
    survey("run", settings, "--out", tmp_path / "run", "--no-figures", "-q", "--workers", "0",
           expect=0)  # fmt: skip
    found = pd.read_parquet(tmp_path / "run" / "catalog" / "clusters.parquet")
    receipt = GalaxyRunner(Target("n1", (cube,), 0.01), by_hand, tmp_path / "other").result()
    expected = read_part_table(receipt, "clusters").to_pandas()
    assert found["flux_NeII_12.81"].tolist() == expected["flux_NeII_12.81"].tolist()
    assert found["n_spaxel"].tolist() == expected["n_spaxel"].tolist()


def test_the_guesses_are_facts_for_a_script(cube):
    facts = json.loads(survey("inspect", cube, "--json", expect=64))
    assert facts["generic"] == BY_HAND
    assert facts["missing"]["flux is not a finite number"] == facts["missing"]["DQ is not 0"]


def test_the_template_shows_every_setting_of_the_generic_reader(tmp_path):
    survey("init", tmp_path, expect=0)
    text = (tmp_path / "survey.toml").read_text()
    shown = text[text.index("# [read.generic]") : text.index("[prepare]")]
    for name in build_settings({"read": {"generic": {}}}).read.generic.model_dump():
        assert f"\n# {name} = " in shown
