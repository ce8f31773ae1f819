"""Settings of the documentation; 'make docs' builds it."""

import sys
from pathlib import Path

import czsl

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "czsl"
author = "The czsl developers"
project_copyright = "The czsl developers"
version = release = czsl.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "from_code",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The tutorials are run by every build that reads them, each in a folder of its own.
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "error"  # a warning of our code is one of the build

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say what everything is
numpydoc_show_class_members = False
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "czsl"
html_static_path = ["_static"]
html_css_files = ["czsl.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 4,
    "footer_start": ["copyright"],
    "footer_end": [],
}
