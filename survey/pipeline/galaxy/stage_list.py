"""The stages of one galaxy, in order: what each depends on, and where its result is kept.

    read -> prepare -> distances -> tree -> cut -> profiles -> features -> commit

What they do is in `survey.pipeline.galaxy.stages`. It is loaded when something is computed: to find
out what is finished needs this list alone.
"""

from __future__ import annotations

from typing import Any

from catalogs import SCHEMA_VERSION
from survey.pipeline.galaxy.stage import GalaxyContext, Kept, Stage

STAGES = (
    Stage(
        "read",
        "read",
        inputs=(),
        kept=Kept.STORE,
        settings=("read", "store"),
        depends_on=lambda galaxy: {
            "content of the files": galaxy.content_hash,
            "arms": galaxy.arms,
            "mask_impossible before merging": len(galaxy.target.files) > 1
            and galaxy.settings.prepare.mask_impossible,
        },
        code=7,
        libraries=("numpy", "astropy", "reproject", "zarr"),
    ),
    Stage(
        "prepare",
        "prepare_spectra",
        inputs=("read",),
        kept=Kept.MEMORY,
        settings=("prepare", "distance"),
        depends_on=lambda galaxy: {
            "redshift": repr(galaxy.target.redshift),
            "window_um": galaxy.window_um,
            "tables of lines": _line_list(galaxy),
            "point-spread function": _point_spread(galaxy),
        },
        code=4,
        libraries=("numpy", "scipy"),
    ),
    Stage(
        "distances",
        "measure_distances",
        inputs=("read", "prepare"),
        kept=Kept.NOWHERE,
        settings=("linkage",),
        libraries=("numpy", "scipy", "numba"),
    ),
    Stage(
        "tree",
        "make_tree",
        inputs=("distances",),
        kept=Kept.PART,
        libraries=("fastcluster", "numba", "scikit-learn"),
    ),
    Stage(
        "cut",
        "cut",
        inputs=("read", "prepare", "tree"),
        kept=Kept.MEMORY,
        settings=("cut",),
        code=3,
        libraries=("numpy", "scipy"),
    ),
    Stage(
        "profiles",
        "profiles",
        inputs=("read", "prepare", "tree", "cut"),
        kept=Kept.WITH_LAST,
        settings=("profiles",),
        depends_on=lambda galaxy: {
            "schema": SCHEMA_VERSION,
            "ra": repr(galaxy.target.ra_deg),
            "dec": repr(galaxy.target.dec_deg),
            "laws of the point-spread function": _laws(galaxy),
        },
        code=4,
        libraries=("numpy", "scipy"),
    ),
    Stage(
        "features",
        "features",
        inputs=("profiles",),
        kept=Kept.MEMORY,
        settings=("features",),
        depends_on=lambda galaxy: {
            "reference tables": galaxy.reference.digest,
            "distance_mpc": repr(galaxy.target.distance_mpc),
        },
        code=7,
        libraries=("numpy", "scipy", "astropy"),
    ),
    Stage("commit", "commit", inputs=("profiles", "features"), kept=Kept.PART, code=3),
)  # fmt: skip


def _line_list(galaxy: GalaxyContext) -> str | None:
    """The digest of the tables, if the spectra depend on them."""
    is_masked = galaxy.settings.prepare.normalise == "line-masked"
    return galaxy.reference.digest if is_masked else None


def _point_spread(galaxy: GalaxyContext) -> Any:
    """What the spectra depend on where something is done about the point-spread function."""
    settings = galaxy.settings.prepare
    if settings.psf == "none":
        return None
    return _star(galaxy) or (None if settings.psf_fwhm_arcsec else _laws(galaxy))


def _laws(galaxy: GalaxyContext) -> Any:
    """What the widths are: the star, or the laws of the instruments in the tables of the run."""
    laws = {name: one.psf_fwhm_arcsec for name, one in galaxy.reference.instruments.items()}
    return _star(galaxy) or {name: law for name, law in laws.items() if law is not None}


def _star(galaxy: GalaxyContext) -> list[str]:
    """Hashes of the cubes of the star."""
    if not galaxy.settings.prepare.psf_star:
        return []
    from survey.pipeline.galaxy.psf import star_hashes  # slow to load

    return [digest for _, digest in star_hashes(galaxy.settings.prepare)]
