"""Plots as SVG, drawn here, so that a notebook needs no library for them."""

from __future__ import annotations

import datetime as dt
import math
from html import escape
from typing import Any, Callable, NamedTuple, Sequence

WIDTH = 680
LEFT = 150
RIGHT = 20
TOP = 22
#: What panels draw in, from left to right.
INNER = WIDTH - LEFT - RIGHT
OLD, NEW, BAD, FAINT, INK = "#7d8590", "#1f6feb", "#c4320a", "#d0d7de", "#24292f"
#: Panels of one plot at most.
MOST_PANELS = 12


class Panel(NamedTuple):
    """One drawing, below its title."""

    title: str
    height: int
    body: str


class Plot:
    """A plot, which a notebook shows."""

    def __init__(self, title: str, panels: Sequence[Panel]) -> None:
        self.title = title
        self.panels = list(panels[:MOST_PANELS])
        #: How many panels are left out, for want of space.
        self.left_out = len(panels) - len(self.panels)

    @property
    def svg(self) -> str:
        """The plot as an SVG document."""
        parts, y = [], 30
        for panel in self.panels:
            parts.append(f'<text x="10" y="{y + 12}" font-weight="bold">{escape(panel.title)}</text>')
            parts.append(f'<g transform="translate({LEFT} {y + TOP})">{panel.body}</g>')
            y += TOP + panel.height
        if self.left_out:
            parts.append(f'<text x="10" y="{y + 12}">{self.left_out:,} more are not drawn</text>')
            y += 20
        if not self.panels:
            parts.append(f'<text x="10" y="{y + 12}">there is nothing to draw yet</text>')
            y += 20
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 6}" viewBox="0 0 {WIDTH} {y + 6}" '
            f'font-family="sans-serif" font-size="11" fill="{INK}" role="img" aria-label="{escape(self.title)}">'
        )
        ground = '<rect width="100%" height="100%" fill="white"/>'
        return f'{head}{ground}<text x="10" y="18" font-size="13">{escape(self.title)}</text>{"".join(parts)}</svg>'

    def save(self, path: str) -> None:
        """Writes the plot as a file of SVG."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg)

    def _repr_html_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"{self.title}: " + (", ".join(panel.title for panel in self.panels) or "nothing to draw")


def number(value: Any) -> float | None:
    """A value on an axis: numbers, and times as seconds; ``None`` of what has no position on it."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return None
    return None


def label(value: Any) -> str:
    """A value beside an axis, short."""
    if isinstance(value, str):
        return value[:10] if number(value) is not None else value[:18]
    if isinstance(value, bool) or value is None:
        return str(value)
    return f"{value:.3g}" if abs(value) >= 1e9 else f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.4g}"


def distributions(title: str, quantiles: Sequence[tuple[float, Any, Any]], sides: tuple[str, str]) -> Panel | None:
    """Two distributions as cumulative lines, from quantiles of both; ``None`` where they are of no numbers."""
    points: list[list[tuple[float, float]]] = [[], []]
    ends: list[Any] = []
    for share, *values in quantiles:
        for side, value in enumerate(values):
            at = number(value)
            if at is not None:
                points[side].append((at, share))
                ends.append(value)
    if not ends:
        return None
    height = 110
    across = scale([number(end) or 0.0 for end in ends], INNER)
    body = frame(height, [(0.0, "0%"), (0.5, "50%"), (1.0, "100%")], lambda share: height * (1 - share))
    for drawn, colour in zip(points, (OLD, NEW)):
        line = " ".join(f"{across(at):.1f},{height * (1 - share):.1f}" for at, share in drawn)
        body += f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
    ordered = sorted(ends, key=lambda end: number(end) or 0.0)
    body += under(height, label(ordered[0]), label(ordered[-1])) + legend(height, sides)
    return Panel(title, height + 42, body)


def pairs(title: str, bars: Sequence[tuple[str, float, float]], sides: tuple[str, str]) -> Panel | None:
    """Shares of both sides, bar by bar; ``None`` without any."""
    most = max((max(old, new) for _, old, new in bars), default=0.0)
    if not most:
        return None
    height = 110
    step = INNER / len(bars)
    body = frame(height, [(0.0, "0%"), (most, f"{100 * most:.0f}%")], lambda share: height * (1 - share / most))
    for index, (_, *shares) in enumerate(bars):
        for side, (share, colour) in enumerate(zip(shares, (OLD, NEW))):
            tall = height * share / most
            x = index * step + (0.1 + 0.4 * side) * step
            body += f'<rect x="{x:.1f}" y="{height - tall:.1f}" width="{0.4 * step:.1f}" height="{tall:.1f}" fill="{colour}"/>'
    # As many names as there is space for.
    every = max(1, math.ceil(len(bars) * 60 / INNER))
    for index in range(0, len(bars), every):
        x = (index + 0.5) * step
        body += f'<text x="{x:.1f}" y="{height + 14}" text-anchor="middle">{escape(bars[index][0])}</text>'
    return Panel(title, height + 42, body + legend(height, sides))


def over_dates(title: str, dates: Sequence[str], quantiles: Sequence[Sequence[Any]]) -> Panel | None:
    """Five quantiles of each date, the middle one as a line within two bands; ``None`` without numbers."""
    days = [(date, [number(value) for value in values]) for date, values in zip(dates, quantiles)]
    drawn = [(date, [at for at in values if at is not None]) for date, values in days]
    drawn = [(date, values) for date, values in drawn if len(values) == 5]
    if not drawn:
        return None
    height = 110
    every = [at for _, values in drawn for at in values]
    up = scale(every, height)
    xs = [INNER / 2] if len(drawn) == 1 else [index * INNER / (len(drawn) - 1) for index in range(len(drawn))]
    ticks = [(end, label(end)) for end in (min(every), max(every))]
    body = frame(height, ticks, lambda at: height - up(at))
    for low, high, opacity in ((0, 4, 0.15), (1, 3, 0.3)):
        edge = [(x, values[high]) for x, (_, values) in zip(xs, drawn)]
        edge += [(x, values[low]) for x, (_, values) in reversed(list(zip(xs, drawn)))]
        outline = " ".join(f"{x:.1f},{height - up(at):.1f}" for x, at in edge)
        body += f'<polygon points="{outline}" fill="{NEW}" stroke="{NEW}" opacity="{opacity}"/>'
    for x, (date, values) in zip(xs, drawn):
        body += f'<circle cx="{x:.1f}" cy="{height - up(values[2]):.1f}" r="2.5" fill="{NEW}"><title>{escape(date)}</title></circle>'
    line = " ".join(f"{x:.1f},{height - up(values[2]):.1f}" for x, (_, values) in zip(xs, drawn))
    body += f'<polyline points="{line}" fill="none" stroke="{NEW}" stroke-width="2"/>'
    return Panel(title, height + 26, body + under(height, drawn[0][0], drawn[-1][0]))


def levels(title: str, bars: Sequence[tuple[str, float | None, str]], marks: Sequence[tuple[float, str]]) -> Panel:
    """A bar for each name on one axis, with marks across all; red beyond the last mark."""
    known = [value for _, value, _ in bars if value is not None]
    most = max([*known, *(at for at, _ in marks)], default=1.0) * 1.15 or 1.0
    height = 20 * len(bars)
    body = ""
    for at, said in marks:
        x = INNER * at / most
        body += f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height + 4}" stroke="{INK}" stroke-dasharray="3 3"/>'
        body += f'<text x="{x:.1f}" y="{height + 16}" text-anchor="middle">{escape(said)}</text>'
    for index, (name, value, said) in enumerate(bars):
        y = 20 * index
        body += f'<text x="-8" y="{y + 14}" text-anchor="end">{escape(name[:24])}</text>'
        wide = INNER * (value or 0.0) / most
        colour = BAD if value is not None and marks and value > marks[-1][0] else NEW
        body += f'<rect x="0" y="{y + 4}" width="{wide:.1f}" height="12" fill="{colour}"><title>{escape(said)}</title></rect>'
        # Beside the bar, or in it where there is no space beside it.
        inside = wide > INNER * 0.6
        x, anchor, ink = (wide - 5, "end", "white") if inside else (wide + 5, "start", INK)
        # Marks pass behind it.
        halo = "" if inside else ' stroke="white" stroke-width="3" paint-order="stroke"'
        body += f'<text x="{x:.1f}" y="{y + 14}" text-anchor="{anchor}" fill="{ink}"{halo}>{escape(said)}</text>'
    return Panel(title, height + 30, body)


def scale(values: Sequence[float], length: float) -> Callable[[float], float]:
    """From the range of values onto a length; onto its middle where they are all the same."""
    least, greatest = min(values), max(values)
    span = greatest - least
    return lambda at: (at - least) / span * length if span else length / 2


def frame(height: int, ticks: Sequence[tuple[float, str]], y_of: Callable[[float], float]) -> str:
    """Level lines with what they stand for."""
    body = ""
    for at, said in ticks:
        y = y_of(at)
        body += f'<line x1="0" y1="{y:.1f}" x2="{INNER}" y2="{y:.1f}" stroke="{FAINT}"/>'
        body += f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{escape(said)}</text>'
    return body


def under(height: int, left: str, right: str) -> str:
    """The ends of an axis."""
    return (
        f'<text x="0" y="{height + 14}">{escape(left)}</text>'
        f'<text x="{INNER}" y="{height + 14}" text-anchor="end">{escape(right)}</text>'
    )


def legend(height: int, sides: tuple[str, str]) -> str:
    """Which colour is which side."""
    body = ""
    for index, (name, colour) in enumerate(zip(sides, (OLD, NEW))):
        x = index * 200
        body += f'<rect x="{x}" y="{height + 22}" width="10" height="10" fill="{colour}"/>'
        body += f'<text x="{x + 15}" y="{height + 31}">{escape(name)}</text>'
    return body
