"""Sphinx's configuration. ``make docs`` assembles the pages first (``docs/_ext/assemble.py``)."""

import sys
from pathlib import Path

from zoo import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "zoo"
author = copyright = "The zoo developers"
release = version = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "described_fields"]
root_doc = "index"
default_role = "code"

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_output_stderr = "remove"
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_render_markdown_format = "myst"  # with tables

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # the docstrings have the types
napoleon_google_docstring = False
napoleon_use_rtype = False
maximum_signature_line_length = 88

copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"
html_theme = "furo"
html_title = f"zoo {__version__}"
html_static_path = [str(HERE / "_static")]
html_css_files = ["zoo.css"]
html_js_files = ["zoom.js"]
html_extra_path = [str(HERE.parent / "build" / "docs" / "extra")]
html_copy_source = False
html_show_sourcelink = False
smartquotes = False  # -- is an option
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
