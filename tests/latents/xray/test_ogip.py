"""Pulse-height files, every form that the standard allows, and what is wrong with broken ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from survey.errors import DataError, SurveyWarning
from survey.latents.grid import Grid
from survey.latents.xray.ogip import background_scale, read_background, read_pha
from survey.latents.xray.spectra import find_spectra, load_spectra
from tests.latents.xray.files import CHANNELS, COUNTS, rmf, spectrum, write


def test_counts_and_keywords_come_as_written(tmp_path: Path) -> None:
    (pha,) = read_pha(write(tmp_path / "a.pha", spectrum(OBJECT="3C 186", OBS_ID="9774")))
    assert np.array_equal(pha.counts, COUNTS)
    assert np.array_equal(pha.channels, np.arange(1, 9))
    assert (pha.exposure_s, pha.backscal[0], pha.areascal[0]) == (1000.0, 1e-6, 1.0)
    assert (pha.object_name, pha.observation, pha.name, pha.row) == ("3C 186", "9774", "a", None)
    assert (pha.background_file, pha.response_file) == ("", "small.rmf")
    assert pha.counts.dtype.isnative
    assert pha.usable.all()


@pytest.mark.parametrize("exposure_s", [1000.0, 75141.2276])
def test_single_precision_rates_give_back_the_counts(tmp_path: Path, exposure_s: float) -> None:
    counts = COUNTS * 2000
    rate = fits.Column("RATE", "E", array=counts / exposure_s)
    path = write(tmp_path / "a.pha", spectrum([rate], drop=("COUNTS",), EXPOSURE=exposure_s))
    assert np.array_equal(read_pha(path)[0].counts, counts)


def test_scales_may_differ_from_channel_to_channel(tmp_path: Path) -> None:
    scale = np.linspace(1.0, 2.0, CHANNELS)
    source = spectrum([fits.Column("BACKSCAL", "D", array=scale)], BACKFILE="b.pha")
    (pha,) = read_pha(write(tmp_path / "a.pha", source))
    assert np.array_equal(pha.backscal, scale)
    write(tmp_path / "b.pha", spectrum(BACKSCAL=4.0, EXPOSURE=500.0, AREASCAL=2.0))
    background = read_background(pha)
    assert background is not None
    np.testing.assert_allclose(background_scale(pha, background), scale / 4.0)


def test_areascal_may_be_a_column_too(tmp_path: Path) -> None:
    area = np.linspace(0.5, 1.0, CHANNELS)
    (pha,) = read_pha(
        write(tmp_path / "a.pha", spectrum([fits.Column("AREASCAL", "E", array=area)]))
    )
    np.testing.assert_allclose(pha.areascal, area, rtol=1e-6)


def test_bad_channels_are_unusable_and_dubious_ones_are_not(tmp_path: Path) -> None:
    quality = np.array([0, 1, 2, 5, 0, 0, 0, 0])
    column = fits.Column("QUALITY", "I", array=quality)
    (pha,) = read_pha(write(tmp_path / "a.pha", spectrum([column])))
    assert list(np.flatnonzero(~pha.usable)) == [1, 3]


def test_groups_are_numbered_from_their_first_channels(tmp_path: Path) -> None:
    column = fits.Column("GROUPING", "I", array=[1, -1, -1, 1, -1, 0, 1, -1])
    (pha,) = read_pha(write(tmp_path / "a.pha", spectrum([column])))
    assert list(pha.groups) == [0, 0, 0, 1, 1, 2, 3, 3]
    (plain,) = read_pha(write(tmp_path / "b.pha", spectrum()))
    assert list(plain.groups) == list(range(CHANNELS))


def type_two(**cards: object) -> fits.BinTableHDU:
    return spectrum(
        [
            fits.Column("SPEC_NUM", "I", array=[1, 2]),
            fits.Column("CHANNEL", "8J", array=np.tile(np.arange(1, 9), (2, 1))),
            fits.Column("COUNTS", "8J", array=[COUNTS, 2 * COUNTS]),
            fits.Column("EXPOSURE", "D", array=[1000.0, 2000.0]),
            fits.Column("BACKSCAL", "8D", array=np.outer([1.0, 2.0], np.ones(8))),
            fits.Column("BACKFILE", "16A", array=["b.pha{2}", "none"]),
        ],
        **cards,
    )


def test_type_two_files_hold_a_spectrum_in_each_row(tmp_path: Path) -> None:
    first, second = read_pha(write(tmp_path / "a.pha2", type_two()))
    assert np.array_equal(second.counts, 2 * first.counts)
    assert (first.name, second.name, second.row) == ("a#1", "a#2", 2)
    assert (first.exposure_s, second.exposure_s) == (1000.0, 2000.0)
    assert (first.backscal[0], second.backscal[0]) == (1.0, 2.0)
    assert read_background(second) is None


def test_a_background_may_be_a_row_of_a_type_two_file(tmp_path: Path) -> None:
    write(tmp_path / "b.pha", type_two())
    first, _ = read_pha(write(tmp_path / "a.pha2", type_two()))
    background = read_background(first)
    assert background is not None
    assert background.exposure_s == 2000.0


def test_source_and_background_may_share_a_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a_pha3.fits",
        spectrum(BACKFILE="a_pha3.fits"),
        spectrum([fits.Column("COUNTS", "J", array=7 * COUNTS)], HDUCLAS2="BKG", BACKSCAL=4e-6),
    )
    packed = tmp_path / "a_pha3.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    (pha,) = read_pha(packed)
    background = read_background(pha)
    assert background is not None
    assert np.array_equal(background.counts, 7 * COUNTS)
    np.testing.assert_allclose(background_scale(pha, background), 0.25)


@pytest.mark.parametrize("name", ["none", "name_it_had_before.fits"])
def test_a_background_in_the_file_itself_need_not_be_named(tmp_path: Path, name: str) -> None:
    background = spectrum(HDUCLAS2="BKG", EXPOSURE=7.0)
    (pha,) = read_pha(write(tmp_path / "a.pha", spectrum(BACKFILE=name), background))
    found = read_background(pha)
    assert found is not None
    assert found.exposure_s == 7.0


def test_a_background_may_be_a_named_extension(tmp_path: Path) -> None:
    write(tmp_path / "b.fits", spectrum(), spectrum(EXTNAME="AROUND", EXPOSURE=7.0))
    (pha,) = read_pha(write(tmp_path / "a.pha", spectrum(BACKFILE="b.fits[AROUND]")))
    background = read_background(pha)
    assert background is not None
    assert background.exposure_s == 7.0


def test_companions_are_only_looked_for_beside_the_file(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path / "b.pha", spectrum())
    for name in (str(tmp_path / "b.pha"), "../b.pha"):
        (pha,) = read_pha(write(inner / "a.pha", spectrum(BACKFILE=name)))
        with pytest.raises(DataError, match="background spectrum is missing"):
            read_background(pha)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (spectrum(drop=("COUNTS",)), "no column RATE"),
        (spectrum(drop=("EXPOSURE",)), "EXPOSURE"),
        (spectrum(EXPOSURE=0.0), "EXPOSURE is not positive"),
        (spectrum(EXPOSURE="long"), "EXPOSURE .* is not a number"),
        (spectrum(BACKSCAL=-1.0), "BACKSCAL"),
        (spectrum(HDUCLAS2="NET"), "background subtracted"),
        (spectrum(HDUCLAS1="EVENTS", EXTNAME="EVENTS"), "no source spectrum"),
        (spectrum([fits.Column("COUNTS", "D", array=COUNTS - 1.0)]), "does not hold counts"),
        (spectrum([fits.Column("COUNTS", "D", array=COUNTS + 0.3)]), "does not hold counts"),
        (spectrum([fits.Column("COUNTS", "D", array=COUNTS * np.nan)]), "not finite"),
        (spectrum([fits.Column("COUNTS", "4A", array=["x"] * 8)]), "not a table of numbers"),
        (spectrum([fits.Column("CHANNEL", "J", array=np.arange(8)[::-1])]), "do not increase"),
        (spectrum([fits.Column("GROUPING", "I", array=np.full(8, 7))]), "GROUPING"),
        (spectrum([fits.Column("QUALITY", "2I", array=np.zeros((8, 2)))]), "QUALITY"),
    ],
)
def test_what_is_wrong_with_a_spectrum_is_said(
    tmp_path: Path, table: fits.BinTableHDU, message: str
) -> None:
    path = write(tmp_path / "broken.pha", table)
    with pytest.raises(DataError, match=message) as caught:
        read_pha(path)
    assert "broken.pha" in str(caught.value)


@pytest.mark.parametrize(
    ("pack", "fraction"),
    # The last of a plain file is padding, without which all data are there.
    [(bytes, 0.3), (bytes, 0.6), *((gzip.compress, fraction) for fraction in (0.3, 0.6, 0.95))],
)
def test_a_truncated_spectrum_is_a_data_error(tmp_path: Path, pack, fraction: float) -> None:
    whole = pack(write(tmp_path / "a.pha", spectrum()).read_bytes())
    (tmp_path / "cut.pha").write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(DataError, match=r"cut\.pha"):
        read_pha(tmp_path / "cut.pha")


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pha", spectrum())
    whole = bytearray(path.read_bytes())
    where = whole.rindex(COUNTS.astype(">i4")[-1].tobytes())
    whole[where + 3] ^= 1
    path.write_bytes(whole)
    with pytest.warns(SurveyWarning, match=r"a\.pha: .*checksum"):
        read_pha(path)


def test_a_grouped_file_with_the_sum_of_before_is_read_with_a_warning(tmp_path: Path) -> None:
    plain = spectrum()
    plain.add_checksum()
    grouped = spectrum([fits.Column("GROUPING", "I", array=np.ones(CHANNELS, int))])
    grouped.header["DATASUM"] = plain.header["DATASUM"]
    path = tmp_path / "a_grp.pi"
    fits.HDUList([fits.PrimaryHDU(), grouped]).writeto(path)
    with pytest.warns(SurveyWarning, match=r"a_grp\.pi: .*kept the old sum"):
        (pha,) = read_pha(path)
    assert np.array_equal(pha.counts, COUNTS)


def test_a_background_with_other_channels_is_refused(tmp_path: Path) -> None:
    shifted = fits.Column("CHANNEL", "J", array=np.arange(8))
    write(tmp_path / "b.pha", spectrum([shifted]))
    (pha,) = read_pha(write(tmp_path / "a.pha", spectrum(BACKFILE="b.pha")))
    with pytest.raises(DataError, match="different channels; expected 8 channels, 1 to 8"):
        read_background(pha)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "small.rmf", *rmf(np.eye(CHANNELS)))
    write(tmp_path / "a.pha", spectrum(BACKFILE="a_bg.pha"))
    write(tmp_path / "a_bg.pha", spectrum(BACKSCAL=4e-6))
    quality = fits.Column("QUALITY", "I", array=[0, 0, 0, 0, 0, 0, 0, 1])
    write(tmp_path / "b.pha", spectrum([quality]))
    return tmp_path


def test_a_folder_becomes_a_set_of_spectra(folder: Path) -> None:
    files = find_spectra(folder)
    assert [file.name for file in files] == ["a.pha", "b.pha"]
    grid = Grid(np.linspace(1.0, 9.0, CHANNELS + 1), "keV")
    loaded = load_spectra(files, grid=grid, sources={"a": "one", "b": "one"})
    assert loaded.failures == ()
    spectra = loaded.spectra
    assert spectra is not None
    assert list(spectra.ids) == ["a", "b"]
    assert list(spectra.sources) == ["one", "one"]
    assert np.array_equal(spectra.values[0], COUNTS)
    np.testing.assert_allclose(spectra.background[0], COUNTS / 4)
    assert list(spectra.mask[1]) == [True] * 7 + [False]
    assert (spectra.background[1] == 0).all()


def test_a_spectrum_at_fault_is_set_aside_and_the_others_are_read(folder: Path) -> None:
    write(folder / "c.pha", spectrum(EXPOSURE=-1.0))
    write(folder / "d.pha", spectrum(RESPFILE="missing.rmf"))
    write(folder / "e.pha", spectrum([fits.Column("CHANNEL", "J", array=np.arange(8))]))
    write(folder / "f.pha", spectrum(BACKFILE="missing.pha"))
    seen: list[Path] = []
    grid = Grid(np.linspace(1.0, 9.0, 5), "keV")
    loaded = load_spectra(find_spectra(folder), grid=grid, on_file=seen.append)
    assert loaded.spectra is not None
    assert list(loaded.spectra.ids) == ["a", "b"]
    assert [Path(error.file or "").name for error in loaded.failures] == [
        "c.pha",
        "d.pha",
        "e.pha",
        "f.pha",
    ]
    assert len(seen) == 6
    with pytest.warns(SurveyWarning, match=r"f is read without its background: .*missing\.pha"):
        without = load_spectra(find_spectra(folder), grid=grid, background="optional")
    assert without.spectra is not None
    assert list(without.spectra.ids) == ["a", "b", "f"]


def test_a_folder_without_spectra_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no spectra in the folder"):
        find_spectra(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find_spectra(tmp_path / "nowhere")


EXPECTED = {
    "acisf02779_001N001_r0004": 351,
    "acisf04736_000N001_r0079": 11648,
    "acisf04737_000N001_r0035": 201,
    "acisf04938_000N002_r0043": 2116,
    "acisf01575_001N001_r0085": 855,
}


@pytest.mark.real_data
def test_observed_spectra_are_what_their_headers_say(shared_data: Path) -> None:
    folder = shared_data / "xray"
    for path in find_spectra(folder):
        (pha,) = read_pha(path)
        background = read_background(pha)
        assert background is not None
        file = path if path.name != "9774.pi" else folder / "9774_bg.pi"
        for one, name, nth in ((pha, path, 0), (background, file, 1 if file == path else 0)):
            with fits.open(name) as hdus:
                header = [hdu.header for hdu in hdus if hdu.name == "SPECTRUM"][nth]
            assert one.counts.sum() == header["TOTCTS"]
            assert one.exposure_s == header["EXPOSURE"]
            assert (one.backscal == header["BACKSCAL"]).all()
            assert len(one.channels) == header["DETCHANS"]


@pytest.mark.real_data
def test_observed_spectra_load_onto_one_grid(shared_data: Path) -> None:
    loaded = load_spectra(find_spectra(shared_data / "xray"))
    assert loaded.failures == ()
    assert loaded.spectra is not None
    counted = dict(zip(loaded.spectra.ids, loaded.spectra.totals, strict=True))
    assert len(counted) == 6
    for name, total in EXPECTED.items():
        assert 0 < counted[name + "_pha3"] <= total
    # Between 0.5 and 8 keV hardly anything of a bright source is lost.
    assert counted["9774"] > 0.9 * 4424
    # The source's spectrum is above its expected background in all of them.
    assert (loaded.spectra.totals > loaded.spectra.background.sum(axis=1)).all()


def test_a_background_file_may_be_of_the_class_of_backgrounds_or_not(tmp_path: Path) -> None:
    for kind in ("BKG", "TOTAL"):
        write(tmp_path / f"{kind}.pha", spectrum(HDUCLAS2=kind, BACKSCAL=2e-6))
        (pha,) = read_pha(write(tmp_path / "a.pha", spectrum(BACKFILE=f"{kind}.pha")))
        background = read_background(pha)
        assert background is not None
        assert np.array_equal(background.counts, COUNTS)
        np.testing.assert_allclose(background_scale(pha, background), 0.5)


def test_of_a_file_with_both_the_background_is_taken(tmp_path: Path) -> None:
    twice = fits.Column("COUNTS", "J", array=2 * COUNTS)
    write(tmp_path / "both.pha", spectrum(), spectrum([twice], HDUCLAS2="BKG"))
    (pha,) = read_pha(write(tmp_path / "a.pha", spectrum(BACKFILE="both.pha")))
    background = read_background(pha)
    assert background is not None
    assert np.array_equal(background.counts, 2 * COUNTS)


def test_spectra_of_one_file_name_are_named_with_their_folders(tmp_path: Path) -> None:
    for folder in ("obs1", "obs2"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "src.pi", spectrum())
        write(tmp_path / folder / "small.rmf", *rmf(np.eye(CHANNELS)))
    grid = Grid(np.arange(1.0, CHANNELS + 2), "keV")
    paths = [tmp_path / folder / "src.pi" for folder in ("obs1", "obs2")]
    loaded = load_spectra(paths, grid=grid)
    assert loaded.spectra is not None
    assert list(loaded.spectra.ids) == ["obs1-src", "obs2-src"]
