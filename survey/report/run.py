"""The report of a run: its pages, and pictures for papers if they are asked for.

Pages of galaxies are written from the committed parts, on the worker when a galaxy is done, or
later. Those that are from the current part already are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from catalogs import open_catalog
from catalogs.parts import PartStore
from catalogs.survey_parts import CLASSES, TRACED, TRACERS, current_survey_parts
from survey.pipeline.reference import reference_of_run
from survey.report.pages.paths import FOLDER, is_page_of, written_for

PAGE = "index.html"
CLASSES_PAGE = "classes.html"


class GalaxyPages:
    """Writes pages of galaxies, called with run directory, galaxy and key of its part."""

    def __call__(self, root: Path, galaxy: str, key: str) -> None:
        """Write a page unless it is there; see `survey.report.pages.site.write_galaxy_page`."""
        from survey.report.pages.site import write_galaxy_page

        write_galaxy_page(root, galaxy, key)

    def is_drawn(self, root: Path, galaxy: str, key: str) -> bool:
        """Whether the page is there, and is from this part."""
        return is_page_of(root, galaxy, key)


write_galaxy = GalaxyPages()


class TracerPictures:
    """Draws pictures of tracers; sent to the workers, so that it loads nothing before."""

    def __call__(self, root: Path, galaxy: str, part_key: str, tracer: str, key: str) -> None:
        """Draw one unless it is there; see `survey.report.pages.tracers.write_tracer_picture`."""
        from survey.report.pages.tracers import write_tracer_picture

        write_tracer_picture(root, galaxy, part_key, tracer, key)


write_tracer = TracerPictures()


def write_all(
    root: str | Path,
    *,
    pictures: bool = False,
    on_done: Callable[[str], None] = lambda name: None,
) -> Path:
    """Write missing pages of the published galaxies, and the index; returns its path.

    With `pictures` also draw the map, the dendrogram and the fractions of every galaxy as PNG.
    """
    root = Path(root)
    for row in open_catalog(root).galaxies.to_dict("records"):
        write_galaxy(root, row["galaxy"], row["part_key"])
        if pictures:
            from survey.report.pictures import draw_pictures  # loads Matplotlib

            draw_pictures(root, row["galaxy"], row["part_key"])
        on_done(row["galaxy"])
    _write_tracers(root)
    return write_index_pages(root)


def _write_tracers(root: Path) -> None:
    """Draw the missing pictures of the tracers in the catalog."""
    found = current_survey_parts(root).get(TRACERS.name)
    if found is None:
        return
    store = PartStore(root)
    for galaxy, stage, key in found.needed_parts():
        part_key = found.summary["galaxies"].get(galaxy)
        if stage != TRACED or part_key is None:
            continue
        part = store.find(galaxy, stage, key)
        if part is not None:
            write_tracer(root, galaxy, part_key, part.summary["tracer"], key)


def write_index_pages(root: str | Path) -> Path:
    """Write the index and the page of the classes, unless they are of this catalog already."""
    root = Path(root)
    catalog = open_catalog(root)
    index = root / FOLDER / PAGE
    if written_for(index) == catalog.path.name:
        return index
    # Slow to load, and often there is nothing to write.
    from survey.report.pages.classes import write_classes_page
    from survey.report.pages.index import write_index
    from survey.report.pages.site import copy_static

    copy_static(root)
    classification = current_survey_parts(root).get(CLASSES.name)
    write_classes_page(
        root / FOLDER / CLASSES_PAGE, catalog, classification, reference_of_run(root)
    )
    return write_index(root, catalog)
