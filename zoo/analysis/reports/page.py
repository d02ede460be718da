"""Pages of a report: an answer, then sections with text, tables and pictures."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo._utils.wording import markdown_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from zoo.analysis.figures import Saved


@dataclass(frozen=True)
class Table:
    """A table in the report.

    Parameters
    ----------
    title : str
    header : list of str
    rows : list of lists of str
    note : str
        Explanation of the columns.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""

    @property
    def markdown(self) -> str:
        """The table in Markdown."""
        return markdown_table(self.header, self.rows)


@dataclass(frozen=True)
class Section:
    """A section of the report, with heading, paragraphs, code, points, tables and pictures in this order."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Saved] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    code: str = ""


@dataclass(frozen=True)
class Page:
    """A report.

    Parameters
    ----------
    title : str
        Title of the window.
    answer : str
        What was found, in one sentence: the heading.
    facts : str
        The line below, without a full stop.
    sections : sequence of Section
    """

    title: str
    answer: str
    facts: str
    sections: Sequence[Section]

    @property
    def html(self) -> str:
        """The report as a single page with embedded pictures, without scripts or external resources."""
        return _render("report.html.j2", self)

    @property
    def markdown(self) -> str:
        """The report in Markdown; its pictures are the files in ``figures/``."""
        return _render("report.md.j2", self)


def _render(name: str, page: Page) -> str:
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=PackageLoader("zoo.analysis.reports", "templates"),
        autoescape=select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"data_uri": _data_uri, "number": _number, "symbols": _symbols, "unbroken": _unbroken}
    return environment.get_template(name).render(page=page)


def _unbroken(text: str) -> str:
    """Prevent line breaks in equations, and between numbers and units."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<])|(?<=[=<±]) (?=\d)| (?=±)", "\u00a0", text)


def _symbols(text: str) -> Markup:
    """Escape a text and set subscripts of symbols such as E_g; names of columns are left to other texts."""
    from markupsafe import Markup, escape

    found = re.sub(r"(?<!\w)(Δ?[^\W\d_])_([A-Za-z0-9]+)\b", r"\1<sub>\2</sub>", str(escape(_unbroken(text))))
    return Markup(found)  # noqa: S704 - escaped above


def _number(cell: str) -> str | Markup:
    """Prevent line breaks in a cell that holds numbers, and allow them in a digest."""
    from markupsafe import Markup

    if re.fullmatch(r"[0-9a-f]{64}", cell):
        return Markup("<wbr>").join(cell[place : place + 16] for place in range(0, 64, 16))
    return cell.replace(" ", "\u00a0") if re.fullmatch(r"(to|[\d.,%±×()<+−–-]|\s)+", cell) else cell


def _data_uri(picture: Saved) -> str:
    """Return the data URI of a picture: as SVG, or as PNG if there is no SVG of it."""
    svg = picture.path("svg")
    content, kind = (svg.read_bytes(), "svg+xml") if svg.exists() else (picture.path("png").read_bytes(), "png")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
