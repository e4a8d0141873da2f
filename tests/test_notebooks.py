"""The notebooks as they are committed; `make notebooks` runs them."""

import base64
import importlib.util
import io
import json
import socket
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path, kind):
    return [each for each in json.loads(path.read_text())["cells"] if each["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


@pytest.fixture(scope="module")
def execute():
    pytest.importorskip("nbclient")
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_eight_in_order():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n}_" for n in range(1, 9)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_of_one_run_from_top_to_bottom(path):
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {each["output_type"] for cell in cells(path, "code") for each in cell["outputs"]}
    assert "error" not in kinds
    assert kinds & {"display_data", "execute_result"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_small_and_name_no_machine(path, execute):
    text = path.read_text()
    assert len(text.encode()) <= execute.LARGEST_BYTES
    for private in ("/tmp/", "/home/", "/root", socket.gethostname() + " ", "token=\\w"):
        assert private not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_says_how_to_do_it_with_own_data(path):
    titles = [line for cell in cells(path, "markdown") for line in source(cell).splitlines()]
    assert titles[0].startswith("# ")
    assert any(line.startswith("## With your own") for line in titles)


def test_there_are_twenty_questions():
    texts = [source(cell) for cell in cells(FOLDER / "3_twenty_questions.ipynb", "markdown")]
    asked = [text for text in texts for n in range(1, 21) if f"**{n}. " in text]
    assert len(asked) == 20
    assert all("?**" in text for text in asked)


def test_the_sixth_asserts_that_memory_was_less_than_the_cube():
    code = "\n".join(map(source, cells(FOLDER / "6_a_cube_larger_than_memory.ipynb", "code")))
    assert "assert cube.stat().st_size > limit" in code
    assert "assert peak < limit < cube.stat().st_size" in code


def test_terminal_codes_folders_and_tokens_are_taken_out_of_outputs(execute):
    text = "\x1b[32mdone\x1b[0m /x/y/sky/run\nbar 1%\rbar 100%\nhttp://127.0.0.1:1/?token=a-B_1\n"
    assert execute.plain(text, Path("/x/y")) == (
        "done sky/run\nbar 100%\nhttp://127.0.0.1:1/?token=...\n"
    )


def test_pictures_keep_their_size_with_few_colours(execute):
    from PIL import Image

    picture = Image.radial_gradient("L").convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    small = execute.small_picture(base64.b64encode(buffer.getvalue()).decode())
    with Image.open(io.BytesIO(base64.b64decode(small))) as found:
        assert found.size == picture.size
        assert len(found.getcolors()) <= execute.COLORS


def test_an_error_in_a_notebook_fails_and_is_told_with_what_was_printed_last(execute, tmp_path):
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('before'); 1 / 0")])
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    told = execute.run(tmp_path / "bad.ipynb", tmp_path, write=True)
    assert "ZeroDivisionError" in told
    assert told.endswith("Its last lines:\nbefore")
    assert json.loads((tmp_path / "bad.ipynb").read_text())["cells"][0]["outputs"] == []
