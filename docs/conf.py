"""Sphinx: MyST pages, the furo theme; `make docs` builds them with warnings as errors."""

import importlib.metadata

project = "mprun"
author = "The mprun developers"
version = release = importlib.metadata.version("mprun")

extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"mprun {release}"
html_copy_source = False
html_show_copyright = False
