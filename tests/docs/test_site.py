"""The site has everything that the code declares, and all its links lead somewhere."""

import inspect
from typing import get_args
from urllib.parse import unquote, urlsplit

import pytest
import typer
from pydantic import BaseModel

import catalogs
import survey
from catalogs.documentation.column_families import column_families
from catalogs.flags import FLAGS
from catalogs.reference import packaged_reference
from catalogs.schema import declared_tables
from survey import errors
from survey.cli import app
from survey.config import Settings
from tests.docs.conftest import REPOSITORY, Site


def commands(command, path="survey"):
    """All commands, by what is typed."""
    for name, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from commands(inner, f"{path} {name}")
        else:
            yield f"{path} {name}", inner


def settings(model=Settings, place=""):
    """All settings, each with the table that it is in."""
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation))
                 if inspect.isclass(kind) and issubclass(kind, BaseModel)]  # fmt: skip
        if kinds:
            yield from settings(kinds[0], f"{place}{name}.")
        else:
            yield f"{place}{name}", model


def test_every_public_name_is_in_the_reference(site: Site) -> None:
    anchors = site.page("reference/api").anchors
    wanted = {f"survey.{name}" for name in survey.__all__} | {"catalogs.open_catalog"}
    for kind in (survey.Result, survey.Run, catalogs.Catalog):
        where = "catalogs" if kind is catalogs.Catalog else "survey"
        wanted |= {
            f"{where}.{kind.__name__}.{name}" for name in vars(kind) if not name.startswith("_")
        } - {f"{where}.{kind.__name__}.root"}
    assert wanted - anchors == set()


def test_every_setting_is_in_the_reference(site: Site) -> None:
    assert {name for name, _ in settings()} - site.page("reference/settings").anchors == set()


@pytest.mark.parametrize(("name", "model"), list(settings()), ids=str)
def test_a_setting_is_described_by_its_table(name: str, model: type[BaseModel]) -> None:
    assert name.rpartition(".")[2] in (model.__doc__ or "")


def test_every_column_is_in_the_reference(site: Site) -> None:
    found = site.page("reference/tables").anchors
    one_by_one = found | site.page("reference/clusters_columns").anchors
    declared = {
        f"{name}.{column.name}"
        for name, table in declared_tables().items()
        for column in table.columns
    }
    families = {
        f"{name}.{column.name}"
        for name in declared_tables()
        for column in column_families(name).templates
    }
    assert declared - one_by_one == set()
    assert families - found == set()
    assert len(families) >= 22


def test_every_line_band_and_window_is_in_the_reference(site: Site) -> None:
    page, reference = site.page("reference/features"), packaged_reference()
    assert {each.name for each in (*reference.lines, *reference.bands)} <= page.anchors
    for name in (*reference.windows, *reference.instruments, *reference.ratio_names):
        assert name in page.text


def test_every_flag_is_in_the_reference(site: Site) -> None:
    page = site.page("reference/flags")
    for table, kind in FLAGS.items():
        for flag in kind:
            assert f"flag-{table}-{flag.name.lower()}" in page.anchors
            assert flag.meaning in page.text


def test_every_command_is_in_the_reference_with_its_options(site: Site) -> None:
    page = site.page("reference/commands")
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 20
    for name, command in found.items():
        assert name.replace(" ", "-") in page.anchors
        for parameter in command.params:
            assert f"{name.replace(' ', '-')}.{parameter.name}" in page.anchors


def test_every_error_has_a_section_on_what_to_do(site: Site) -> None:
    anchors = site.page("howto/errors").anchors
    assert {name.lower() for name in errors.__all__} - anchors == set()
    assert "catalogerror" in anchors


def test_every_notebook_is_a_page_with_its_outputs(site: Site) -> None:
    notebooks = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == 8
    for notebook in notebooks:
        page = site.page(f"notebooks/{notebook.stem}")
        assert "cell_output" in page.classes, notebook.name


def test_all_links_within_the_site_lead_somewhere(site: Site) -> None:
    broken = []
    for name, page in site.pages.items():
        for link in (*page.links, *page.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            own = (site.folder / name).parent
            target = (own / unquote(parts.path)).resolve() if parts.path else site.folder / name
            key = str(target.relative_to(site.folder.resolve())) if parts.path else name
            if not target.is_file() or (
                parts.fragment
                and key in site.pages
                and unquote(parts.fragment) not in site.pages[key].anchors
            ):
                broken.append(f"{name}: {link}")
    assert broken == []


def test_nothing_is_fetched_from_elsewhere(site: Site) -> None:
    fetched = [link for page in site.pages.values() for link in page.fetched]
    assert len(fetched) > 50
    assert [link for link in fetched if urlsplit(link).netloc] == []


def test_formulas_are_drawn_by_the_browser_itself(site: Site) -> None:
    text = (site.folder / "method.html").read_text()
    assert text.count("<math") >= 8
    assert "$$" not in site.page("method").text
