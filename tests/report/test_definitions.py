"""Every "?" of the pages leads to a definition, and every column of their tables has one."""

import re
from importlib.resources import files

from catalogs.flags import FLAGS
from catalogs.schema import declared_tables
from survey.pipeline.reference import reference_of_run, vocabulary_of_run
from survey.report.pages.definitions import TABLES, column_definitions, short_definitions
from survey.report.pages.paths import FOLDER
from survey.report.run import write_all

SCRIPTS = files("survey.report") / "static"


def anchors(page):
    return re.findall(r' id="([^"]+)"', page.read_text(encoding="utf-8"))


def test_every_question_mark_leads_to_a_definition(finished):
    root, _ = finished
    write_all(root)
    known = anchors(root / FOLDER / "definitions.html")
    assert len(known) == len(set(known))
    wanted = set()
    for page in (root / FOLDER).rglob("*.html"):
        wanted |= set(re.findall(r'definitions\.html#([^"]+)"', page.read_text(encoding="utf-8")))
    assert len(wanted) > 15
    for script in ("galaxy.js", "index.js"):
        text = (SCRIPTS / script).read_text(encoding="utf-8")
        found = set(re.findall(r'"((?:galaxies|clusters|spaxels|splits|flags)[.-][\w-]+)"', text))
        assert len(found) > 5, script
        wanted |= found
    text = (SCRIPTS / "galaxy.js").read_text(encoding="utf-8")
    answers = re.search(r"const columns = \[([^\]]*)\]\n.*\n.*\n\s*const titles", text)
    assert answers is not None
    wanted |= {f"validation.{name}" for name in re.findall(r'"(\w+)"', answers[1])}
    assert wanted - set(known) == set()


def test_every_line_of_the_run_has_its_source(finished):
    root, _ = finished
    write_all(root)
    known = set(anchors(root / FOLDER / "definitions.html"))
    reference = reference_of_run(root)
    assert {each.name for each in (*reference.lines, *reference.bands)} <= known


def test_columns_of_families_are_defined_once(finished):
    root, _ = finished
    vocabulary = vocabulary_of_run(root)
    found = [each.name for each in column_definitions("clusters", vocabulary)]
    assert "flux_FEATURE" in found
    assert "flux_NeII_12.81" not in found
    assert len(found) == len(set(found))


def test_definitions_are_those_of_the_catalog(finished):
    root, _ = finished
    short = short_definitions(vocabulary_of_run(root))
    for name in TABLES:
        for column in declared_tables()[name].columns:
            if f"{name}.{column.name}" in short:
                assert short[f"{name}.{column.name}"] == column.description
    assert {f"clusters.{name}" for name in ("n_spaxel", "continuum_snr", "flags")} <= set(short)


def test_every_flag_has_an_anchor(finished):
    root, _ = finished
    write_all(root)
    known = set(anchors(root / FOLDER / "definitions.html"))
    for table, kind in FLAGS.items():
        assert {f"flag-{table}-{str(flag.name).lower()}" for flag in kind} <= known
