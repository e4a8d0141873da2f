"""Makes a set of spectra on one grid from pulse-height files, with their responses."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from catalogs.printable import printable
from survey.errors import DataError, SurveyWarning
from survey.latents.folding import Folding, single
from survey.latents.grid import Grid
from survey.latents.spectra import SpectrumSet, concatenate
from survey.latents.xray.acis import (
    acis_channels,
    acis_grid,
    photon_energies,
    piled_fraction,
)
from survey.latents.xray.fold import Floats
from survey.latents.xray.ogip import (
    Pha,
    background_scale,
    beside,
    read_background,
    read_pha,
    responses_beside,
    stem_of,
)
from survey.latents.xray.responses import read_channels, read_response

Numbers = npt.NDArray[np.int64]
BackgroundPolicy = Literal["required", "optional", "none"]
BACKGROUND_POLICIES = get_args(BackgroundPolicy)

ENDINGS = ("pha", "pha2", "pi", "pha3.fits", "pha.fits", "pi.fits")


@dataclass(frozen=True)
class SpectrumFacts:
    """How one spectrum was read.

    Attributes
    ----------
    name, file, observation : str
    background : {"used", "not read", "none named", "missing"}
    background_reason : str
        Why there is none; empty where it is used.
    response : str
        Name of the response, empty where none could be used.
    response_reason : str
        Why there is none.
    pile_up : float
        Estimated share of piled-up events, see `survey.latents.xray.acis.piled_fraction`; zero for
        other cameras than ACIS.
    """

    name: str
    file: str
    observation: str = ""
    background: str = "used"
    background_reason: str = ""
    response: str = ""
    response_reason: str = ""
    pile_up: float = 0.0


@dataclass(frozen=True)
class LoadedSpectra:
    """What could be read of many files.

    Attributes
    ----------
    spectra : SpectrumSet or None
        None if nothing could be read.
    failures : tuple of DataError
        Why the others could not, one for each file.
    facts : tuple of SpectrumFacts
        How each spectrum was read, in the order of the spectra.
    """

    spectra: SpectrumSet | None
    failures: tuple[DataError, ...]
    facts: tuple[SpectrumFacts, ...] = ()


def load_spectra(
    files: Iterable[str | Path],
    *,
    grid: Grid | None = None,
    sources: Mapping[str, str] | None = None,
    background: BackgroundPolicy = "required",
    response: Path | None = None,
    folded: bool = False,
    on_file: Callable[[Path], None] = lambda path: None,
) -> LoadedSpectra:
    """Spectra of pulse-height files on one grid of energies; files at fault are set aside.

    Parameters
    ----------
    files : paths
        Source spectra, of type I or II. Those of one file name get their folder into their names.
    grid : Grid, optional
        Bins in keV, not narrower than the channels. Default: `acis_grid()`.
    sources : mapping to str, optional
        Which source a spectrum is of, by `Pha.name` or by the path of its file. Spectra that are
        not in it are each a source of their own.
    background : {"required", "optional", "none"}
        What is done about the background that a file names. If it is missing or broken, that is
        an error of the spectrum ("required"), or the spectrum is read without it, with a warning
        ("optional"). With "none" no background is read.
    response : Path, optional
        An RMF for all spectra, instead of those that they name.
    folded : bool
        Whether to read the responses too (RMF and ARF). A spectrum whose response is missing or
        broken is read without it, with a warning; one that names none, without a word.
    on_file : callable
        Called with every file that is done.
    """
    grid = acis_grid() if grid is None else grid
    read: dict[str, SpectrumSet] = {}
    facts: list[SpectrumFacts] = []
    failures: list[DataError] = []
    paths = [Path(file) for file in files]
    folders = _folders_in_names(paths)
    for path, folder in zip(paths, folders, strict=True):
        try:
            for pha in (replace(one, folder=folder) for one in read_pha(path)):
                if pha.name in read:
                    raise DataError(
                        f"there is a spectrum named {pha.name} already",
                        file=path,
                        expected="every spectrum once",
                        found="it twice, or two files that differ in their ending alone",
                    )
                known = sources or {}
                source = known.get(str(path), known.get(pha.name, pha.name))
                whole, one = _one_spectrum(pha, background, source, response, folded=folded)
                read[pha.name] = binned = whole.rebinned(grid)
                facts.append(replace(one, pile_up=_piled(pha, binned)))
        except DataError as error:
            error.file = error.file or str(path)
            failures.append(error)
        on_file(path)
    return LoadedSpectra(
        concatenate(list(read.values())) if read else None, tuple(failures), tuple(facts)
    )


def find_spectra(folder: str | Path) -> list[Path]:
    """Pulse-height files of source spectra in a folder, by name and in order.

    Files that another one names as its background are not among them.

    Raises
    ------
    DataError
        If there is no such folder, or no such file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            "the folder does not exist",
            file=folder,
            expected="a folder",
            found="none of that name",
        )
    found = sorted(path for path in folder.iterdir() if _is_pha_name(path.name))
    backgrounds: set[Path] = set()
    for path in found:
        try:
            named = {pha.background_file.split("[")[0].split("{")[0] for pha in read_pha(path)}
        except DataError:
            continue  # whoever loads it gets the error
        companions = (beside(path, name) for name in named if name)
        backgrounds |= {other for other in companions if other not in (None, path)}
    spectra = [path for path in found if path not in backgrounds]
    if not spectra:
        raise DataError(
            "no spectra in the folder",
            file=folder,
            expected="files that end in " + ", ".join("." + ending for ending in ENDINGS),
            found="none",
        )
    return spectra


def _is_pha_name(name: str) -> bool:
    plain = name.lower().removesuffix(".gz")
    return not plain.startswith(".") and any(
        plain.endswith(("." + ending, "_" + ending)) for ending in ENDINGS
    )


def _folders_in_names(paths: Sequence[Path]) -> list[str]:
    """What the names of spectra begin with: the folders in which files of one name differ."""
    places = [(*Path(os.path.realpath(path)).parts[:-1], stem_of(path)) for path in paths]
    depth = dict.fromkeys(places, 1)
    for longer in range(2, max(map(len, places), default=1) + 1):
        known = Counter(place[-depth[place] :] for place in depth)
        for place in [place for place in depth if known[place[-depth[place] :]] > 1]:
            depth[place] = longer
    return [printable("-".join(place[-depth[place] : -1])) for place in places]


def _one_spectrum(
    pha: Pha, policy: BackgroundPolicy, source: str, response: Path | None, *, folded: bool
) -> tuple[SpectrumSet, SpectrumFacts]:
    """One spectrum on the channels of its detector, and how it was read."""
    grid, place = _channels(pha, response)
    usable = np.zeros(len(grid), np.bool_)
    usable[place] = pha.usable
    background, state, background_reason = _background(pha, policy)
    table = None
    if background is not None:
        # A channel without background is one of which the background is unknown.
        scale = background_scale(pha, background)
        usable[place] &= background.usable & (scale > 0)
        table = _placed(background.counts, place, len(grid)), _placed(scale, place, len(grid))
    folding, response_reason = _folding(pha, response, grid) if folded else (None, "")
    spectrum = SpectrumSet(
        _placed(pha.counts, place, len(grid)),
        grid,
        "counts",
        mask=usable[None],
        ids=np.array([pha.name]),
        sources=np.array([source]),
        exposure_s=np.array([pha.exposure_s]),
        background_counts=None if table is None else table[0],
        background_scale=None if table is None else table[1],
        folding=folding,
        response=None if folding is None else np.array([0]),
    )
    facts = SpectrumFacts(
        pha.name,
        str(pha.file),
        pha.observation,
        background=state,
        background_reason=background_reason,
        response="" if folding is None else folding.names[0],
        response_reason=response_reason,
    )
    return spectrum, facts


def _piled(pha: Pha, spectrum: SpectrumSet) -> float:
    """The estimated share of piled-up events, by the counts of the source on the grid."""
    if pha.instrument.upper() != "ACIS":
        return 0.0
    counts = float(spectrum.totals[0] - spectrum.background.sum())
    return piled_fraction(max(counts, 0.0) / pha.exposure_s, pha.frame_s)


def _background(pha: Pha, policy: BackgroundPolicy) -> tuple[Pha | None, str, str]:
    """The background or None, whether it is used, and if not, why."""
    if policy == "none":
        return None, "not read", "--background none"
    try:
        found = read_background(pha)
    except DataError as error:
        if policy == "required":
            raise
        text = f"{pha.name} is read without its background: {error}"
        warnings.warn(text, SurveyWarning, stacklevel=2)
        return None, "missing", str(error)
    if found is None:
        return None, "none named", "the file names no background"
    return found, "used", ""


def _folding(pha: Pha, response: Path | None, channels: Grid) -> tuple[Folding | None, str]:
    """The response of a spectrum on the grid of its channels, or why there is none."""
    own, arf = responses_beside(pha)
    rmf = own if response is None else response
    if rmf is None and not pha.response_file:
        return None, "the file names no response"
    try:
        if rmf is None:
            raise DataError(
                "the response is missing",
                file=pha.file,
                expected=f"{pha.response_file} in the same folder",
                found="no such file",
            )
        found = read_response(rmf, arf)
        if found.channels != channels:
            raise DataError(
                "spectrum and response have different channels", file=rmf,
                expected=f"{len(channels)}", found=f"{len(found.channels)}",
            )  # fmt: skip
    except DataError as error:
        text = f"{pha.name} is read without its response: {error}"
        warnings.warn(text, SurveyWarning, stacklevel=2)
        return None, str(error)
    name = stem_of(rmf) if arf is None else f"{stem_of(arf)}+{stem_of(rmf)}"
    return single(found.matrix, found.energies, photon_energies(), name), ""


def _placed(values: Floats, place: Numbers, length: int) -> Floats:
    table = np.zeros((1, length))
    table[0, place] = values
    return table


def _channels(pha: Pha, response: Path | None) -> tuple[Grid, Numbers]:
    """The grid of the detector, and where on it the channels of a spectrum are.

    Without a response matrix beside it, a spectrum of ACIS has the channels of ACIS.
    """
    path = responses_beside(pha)[0] if response is None else response
    if path is not None:
        grid, numbers = read_channels(path)
    elif pha.instrument.upper() == "ACIS":
        grid = acis_channels()
        numbers = np.arange(1, len(grid) + 1)
    else:
        raise DataError(
            "the energies of the channels are unknown",
            file=pha.file,
            expected=f"the response {pha.response_file or '(RESPFILE)'} in the same folder",
            found="no such file" if pha.response_file else "no name of a response",
            advice="Put it there, or name it with --response",
        )
    place = pha.channels - numbers[0]
    if place.min() < 0 or place.max() >= len(grid):
        raise DataError(
            "spectrum and response have different channels",
            file=pha.file,
            expected=f"channels {numbers[0]} to {numbers[-1]}",
            found=f"{pha.channels[0]} to {pha.channels[-1]}",
        )
    return grid, place
