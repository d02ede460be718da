# The public names, each once: __init__.py reads this file.
from zoo.data.sources.materials_project import Fetched as Fetched
from zoo.data.sources.materials_project import cached as cached
from zoo.data.sources.materials_project import fetch as fetch
from zoo.data.sources.materials_project import provenance as provenance
