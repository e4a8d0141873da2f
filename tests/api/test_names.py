"""The public names: few, light to import, and documented."""

import inspect
import re
import subprocess
import sys

import pytest

import survey

HEAVY = {"numpy", "pandas", "xarray", "astropy", "pyarrow", "matplotlib", "dask", "zarr", "numba"}


def public_callables():
    """Functions, and the methods of classes, that `survey` offers."""
    for name in survey.__all__:
        value = getattr(survey, name)
        yield name, value
        if inspect.isclass(value):
            for method, body in vars(value).items():
                if not method.startswith("_"):
                    yield f"{name}.{method}", body


CALLABLES = dict(public_callables())
FUNCTIONS = {name: body for name, body in CALLABLES.items() if inspect.isfunction(body)}


def sections(text):
    """The sections of a numpydoc docstring, by title."""
    parts = re.split(r"\n(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(text))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_importing_the_package_loads_none_of_its_libraries():
    script = "import sys, survey; dir(survey); print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())


def test_public_names_are_few_and_listed():
    assert sorted(survey.__all__) == list(survey.__all__)
    assert len(survey.__all__) <= 8
    assert set(survey.__all__) <= set(dir(survey))
    with pytest.raises(AttributeError, match="no attribute 'clusters'"):
        survey.clusters  # noqa: B018


@pytest.mark.parametrize("name", CALLABLES)
def test_every_public_name_is_documented(name):
    body = CALLABLES[name]
    text = (body.fget if isinstance(body, property) else body).__doc__
    assert text
    assert text.strip().split("\n")[0].endswith(".")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_name_every_argument_what_is_returned_and_the_errors(name):
    found = sections(FUNCTIONS[name].__doc__)
    arguments = [one for one in inspect.signature(FUNCTIONS[name]).parameters if one != "self"]
    stated = re.findall(r"^(\w+) : ", found.get("Parameters", ""), flags=re.MULTILINE)
    assert stated == arguments
    assert found["Returns"].strip()
    source = inspect.getsource(FUNCTIONS[name])
    raised = set(re.findall(r"raise (\w+Error)", source))
    assert raised <= set(re.findall(r"^(\w+Error)$", found.get("Raises", ""), re.MULTILINE))


@pytest.mark.parametrize("name", ["read", "cluster", "Run.cube", "Result.map", "Result.plot"])
def test_arrays_are_documented_with_their_axes_and_units(name):
    text = FUNCTIONS[name].__doc__
    assert re.search(r"\((wavelength, )?y, x\)|map", text)
    assert re.search(r"[Uu]nit|micron", text) or name == "cluster"
