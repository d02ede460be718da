"""Databases from which tables are fetched.

`materials_project` writes the Materials Project as a table; `mp_client` guards its official client.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.data.sources.materials_project import Fetched as Fetched
    from zoo.data.sources.materials_project import cached as cached
    from zoo.data.sources.materials_project import fetch as fetch
    from zoo.data.sources.materials_project import provenance as provenance
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
