"""Formatting of numbers and names in tables, figures, sentences and notebooks."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_TITLES = {
    "r2": "R²",
    "log_loss": "log-loss",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC-AUC",
}
"""Titles of errors without a unit."""


def format_p(p: float) -> str:
    """Format a p-value with two digits, or as ``< 0.0001``."""
    return "n/a" if math.isnan(p) else "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def format_error(mean: float, std: float) -> str:
    """Format a mean over seeds with its standard deviation, if there is one.

    Examples
    --------
    >>> format_error(0.0828, 0.0052), format_error(261.72, 258.3), format_error(12345.6, math.nan)
    ('0.0828 ± 0.0052', '261.7 ± 260', '12350')
    """
    return _digits(mean, 4) if math.isnan(std) else f"{_digits(mean, 4)} ± {_digits(std, 2)}"


def _digits(value: float, count: int) -> str:
    """Format a number with significant digits, a large one without an exponent."""
    text = f"{value:.{count}g}"
    return f"{float(text):.0f}" if "e+" in text else text


def error_title(name: str, unit: str = "") -> str:
    """Format the name of an error as a table header.

    Examples
    --------
    >>> error_title("mae_log10", "GPa"), error_title("rmse", "GPa"), error_title("r2")
    ('MAE log10', 'RMSE (GPa)', 'R²')
    """
    if name in _TITLES:
        return _TITLES[name]
    metric, _, log10 = name.partition("_")
    return f"{metric.upper()} {log10}" if log10 else with_unit(metric.upper(), unit)


def format_factor(log10: float) -> str:
    """Format an error of log10 as a factor.

    Examples
    --------
    >>> format_factor(0.0828)
    '1.21×'
    """
    return f"{10**log10:.3g}×"


def headline_value(name: str, errors: Mapping[str, Mapping[str, float]], unit: str = "") -> str:
    """Format the headline error of a task; an error of log10 also as a factor.

    Examples
    --------
    >>> headline_value("mae_log10", {"mae_log10": {"mean": 0.0828, "std": 0.0052}})
    '0.0828 ± 0.0052 (off by 1.21×)'
    >>> headline_value("mae", {"mae": {"mean": 0.31, "std": float("nan")}}, "eV")
    '0.31 eV'
    """
    found = errors[name]
    shown = format_error(found["mean"], found["std"])
    return f"{shown} (off by {format_factor(found['mean'])})" if name.endswith("_log10") else f"{shown} {unit}".rstrip()


def format_headline(name: str, errors: Mapping[str, Mapping[str, float]], unit: str = "") -> str:
    """Format the headline error of a task with its name.

    Examples
    --------
    >>> format_headline("mae_log10", {"mae_log10": {"mean": 0.0828, "std": 0.0052}})
    'MAE log10 0.0828 ± 0.0052 (off by 1.21×)'
    """
    return f"{error_title(name)} {headline_value(name, errors, unit)}"


def percent(fraction: float, digits: int = 1) -> str:
    """Format a fraction in per cent.

    Examples
    --------
    >>> percent(0.8977), percent(0.9, 0)
    ('89.8 %', '90 %')
    """
    return f"{100 * fraction:.{digits}f} %"


def error_label(quantity: str, unit: str = "", *, log: bool = False) -> str:
    """Format the absolute error of a quantity for the axis of a figure.

    Parameters
    ----------
    quantity : str
        Its last word is the symbol.
    unit : str
    log : bool
        Whether the error is that of log10.

    Examples
    --------
    >>> error_label("Band gap E_g", "eV"), error_label("Bulk modulus K_VRH", "GPa", log=True)
    ('absolute error of E_g (eV)', 'absolute error of log10(K_VRH / GPa)')
    """
    symbol = quantity.split()[-1]
    if log:
        return f"absolute error of log10({f'{symbol} / {unit}' if unit else symbol})"
    return with_unit(f"absolute error of {symbol}", unit)


def interval(low: float, high: float) -> str:
    """Format an interval of fractions in per cent.

    Examples
    --------
    >>> interval(0.0912, 0.18), interval(-0.03, 0.02)
    ('9.1–18.0 %', '−3.0 to 2.0 %')
    """
    ends = [f"{100 * end:.1f}".replace("-", "−") for end in (low, high)]
    return f"{' to '.join(ends) if low < 0 else '–'.join(ends)} %"


def counted(number: int, noun: str) -> str:
    """Format a count with its noun.

    Examples
    --------
    >>> counted(1, "seed"), counted(1200, "crystal")
    ('1 seed', '1,200 crystals')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def with_unit(quantity: str, unit: str) -> str:
    """Format a quantity followed by its unit in brackets, if it has one."""
    return f"{quantity} ({unit})" if unit else quantity


def probability_columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the probabilities of classes.

    Examples
    --------
    >>> probability_columns(["metal", "non-metal"])
    ['probability_metal', 'probability_non-metal']
    """
    return [f"probability_{label}" for label in classes]


def listed(words: Sequence[str], most: int | None = None) -> str:
    """Join words to a list; of more than `most`, the first ones and the number of the others.

    Examples
    --------
    >>> listed(["50"]), listed(["50", "100", "500"]), listed(["50", "100", "500", "1000"], most=2)
    ('50', '50, 100 and 500', '50, 100 and 2 more')
    """
    if most is not None and len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(text: str) -> str:
    """Begin a text with a capital letter, and end it with a full stop; an empty one stays empty.

    Examples
    --------
    >>> sentence("two rows are copies"), sentence("")
    ('Two rows are copies.', '')
    """
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Format a table in Markdown.

    Examples
    --------
    >>> print(markdown_table(["id", "error"], [["a|b", "0.1"]]))
    | id | error |
    | --- | --- |
    | a\|b | 0.1 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def short(name: str) -> str:
    """Shorten a name in the middle to 30 characters, so that a folder's path leaves room for the picture.

    Examples
    --------
    >>> short("runs/2026-11-24/bulk-modulus/from-scratch-500")
    'runs/2026-11-2…om-scratch-500'
    """
    return name if len(name) <= 30 else f"{name[:14]}…{name[-14:]}"


def as_html(
    title: str,
    facts: Mapping[str, str] | None = None,
    header: Sequence[str] = (),
    rows: Sequence[Sequence[str]] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return a title, facts, a table and sentences as HTML for notebooks; everything is escaped.

    Parameters
    ----------
    title : str
    facts : mapping of str to str, optional
        Name → value; empty values are left out.
    header, rows : sequences
        The table; empty for none.
    notes : sequence of str
        Paragraphs below; empty ones are left out.

    Examples
    --------
    >>> as_html("a <b>", notes=["10 > 9", ""])
    '<div><b>a &lt;b&gt;</b><p>10 &gt; 9</p></div>'
    """

    def cell(text: str, tag: str = "td", side: str = "left") -> str:
        return f'<{tag} style="text-align:{side}">{html.escape(text)}</{tag}>'

    described = "".join(f"<tr>{cell(name, 'th')}{cell(value)}</tr>" for name, value in (facts or {}).items() if value)
    parts = [f"<b>{html.escape(title)}</b>", f"<table>{described}</table>" if described else ""]
    if header:
        sides = ["left", *["right"] * (len(header) - 1)]
        head = "".join(cell(name, "th", side) for name, side in zip(header, sides, strict=True))
        body = (
            f"<tr>{''.join(cell(text, side=side) for text, side in zip(row, sides, strict=True))}</tr>" for row in rows
        )
        parts.append(f"<table><tr>{head}</tr>{''.join(body)}</table>")
    parts += [f"<p>{html.escape(note)}</p>" for note in notes if note]
    return f"<div>{''.join(parts)}</div>"
