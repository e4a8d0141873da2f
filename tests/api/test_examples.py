"""The examples of the public functions do what they say, in a folder with a cube and a run."""

import doctest
import importlib

import matplotlib
import matplotlib.pyplot as plt
import pytest

import catalogs
import survey

NAMES = (
    "survey", "survey.read", "survey.cluster", "survey.open", "catalogs.open_catalog",
    "catalogs.Catalog.wide", "catalogs.flags.flag_names", "catalogs.flags.has_flag",
)  # fmt: skip
PAGES = ("reference/flags.md",)


def public(name):
    place, found = name.split("."), None
    for part in place:
        try:
            found = importlib.import_module(part) if found is None else getattr(found, part)
        except AttributeError:
            found = importlib.import_module(f"{found.__name__}.{part}")
    return found


def run_examples(test):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert test.examples
    assert not [each for each in test.examples if each.options.get(doctest.SKIP)]
    runner.run(test, out=print)
    assert runner.summarize(verbose=False).failed == 0


@pytest.fixture
def beside(run, targets, tmp_path, monkeypatch):
    """The working directory that the examples speak of."""
    matplotlib.use("Agg")
    (tmp_path / "cube_s3d.fits").symlink_to(targets[0].files[0].address)
    (tmp_path / "RUN").symlink_to(run)
    monkeypatch.chdir(tmp_path)
    plt.close("all")


@pytest.mark.filterwarnings("ignore::survey.errors.SurveyWarning")
@pytest.mark.parametrize("name", NAMES)
def test_examples_of_the_public_names_are_true(name, beside):
    names = {"survey": survey, "catalogs": catalogs, "open_catalog": catalogs.open_catalog,
             "flag_names": public("catalogs.flags.flag_names"),
             "has_flag": public("catalogs.flags.has_flag")}  # fmt: skip
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(public(name), name, globs=names)
    run_examples(found)


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_the_pages_are_true(page, request):
    path = request.config.rootpath / "docs" / page
    # Fences of Markdown end an example.
    text = path.read_text().replace("```", "")
    run_examples(doctest.DocTestParser().get_doctest(text, {}, page, str(path), 0))
