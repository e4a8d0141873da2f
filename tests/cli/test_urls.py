"""What the command line makes of URLs."""

import json

import pytest

from survey.cli import main

URL = "s3://bucket/run"


@pytest.mark.parametrize(
    "command",
    [
        f"run cube.fits --out {URL}",
        f"init {URL}",
        f"status {URL}",
        f"report {URL}",
        f"classify {URL}",
        f"simulate {URL}",
        f"demo {URL}",
        f"catalog prune {URL}",
        f"cluster certificates {URL}",
        f"latent fetch {URL}",
        f"run cube.fits --cluster {URL}",
    ],
)
def test_urls_are_refused_where_a_path_is_needed(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["survey", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "local or shared POSIX" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_cube_is_inspected_by_its_url(web, archive, targets, monkeypatch, capsys):
    web.files["cube.fits"] = targets[0].files[0].local.read_bytes()
    monkeypatch.setattr("sys.argv", ["survey", "inspect", f"{web.url}/cube.fits", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)["path"] == f"{web.url}/cube.fits"
