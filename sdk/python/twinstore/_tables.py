"""Results as tables, for terminals and notebooks."""

from __future__ import annotations

import math
from html import escape
from typing import Any, Iterable, Sequence


def text_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of text; numbers are on the right."""
    cells = [[shown(value) for value in row] for row in rows]
    right = [all(is_number(row[i]) for row in cells) and bool(cells) for i in range(len(header))]
    widths = [max(len(name), *(len(row[i]) for row in cells)) if cells else len(name) for i, name in enumerate(header)]

    def line(row: Sequence[str]) -> str:
        padded = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right))
        return "  ".join(padded).rstrip()

    return "\n".join([line([name.upper() for name in header]), *(line(row) for row in cells)])


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[Any]], notes: Sequence[str] = ()) -> str:
    """A table for a notebook."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(shown(value))}</td>" for value in row) + "</tr>" for row in rows
    )
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}"


def html_text(text: str) -> str:
    """Text as it stands."""
    return f"<pre>{escape(text)}</pre>"


def shown(value: Any) -> str:
    """A value in a cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        is_long = math.isfinite(value) and value != 0 and not 0.0005 <= abs(value) < 1e16
        return f"{value:.4g}" if is_long else f"{value:,.3f}"
    return str(value)


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.1f}%" if whole else "-"


def counted(count: int, what: str) -> str:
    """A count with its noun."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, or none."""
    digits = cell.rstrip("%s").replace(",", "").replace(".", "").replace("-", "").replace("e+", "").replace("e", "")
    return cell == "-" or digits.isdigit()
