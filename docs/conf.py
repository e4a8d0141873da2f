"""Configuration of the documentation: `make docs` builds it into docs/_build, without a network."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]

from survey import __version__  # noqa: E402

project = "Spaxel Survey"
author = "The Spaxel Survey developers"
copyright = "the Spaxel Survey developers, BSD 3-Clause"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "repository_pages",
    "survey_reference",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
default_role = "literal"  # single backticks of docstrings
smartquotes = False  # quotes in the reference are as in the code
nitpicky = False

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # `make notebooks` runs them; their outputs are in the files
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types are in the docstrings
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"Spaxel Survey {__version__}"
html_static_path = ["_static"]
html_css_files = ["reference.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
