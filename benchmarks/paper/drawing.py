"""The findings as one drawing: for each claim the differences with their intervals, left and right of zero.

An SVG file of its own, readable on light and dark ground.
"""

from collections.abc import Callable, Sequence
from html import escape

from benchmarks.paper.judge import Finding, Spread

LEFT, RIGHT, LINE, TOP = 300.0, 640.0, 17.0, 26.0
STEPS = (1, 2, 5, 10, 20, 50)
"""Points between two rules, the smallest that leaves at most eight of them."""
STYLE = (
    "text{font:12px sans-serif;fill:#222}line{stroke:#222;stroke-width:1.5}.rule{stroke:#ccc;stroke-width:1}"
    ".zero{stroke:#888;stroke-width:1.5}circle{fill:#0b63a5}.far circle{fill:#b3480f}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}line{stroke:#ddd}.rule{stroke:#444}.zero{stroke:#999}"
    "circle{fill:#6db7ef}.far circle{fill:#f0a070}}"
)


def forest(findings: Sequence[Finding]) -> str:
    """Return the drawing of all findings that were measured; dots are means, lines t intervals over seeds."""
    lines = [line for finding in findings for line in _lines(finding)]
    ends = [end for _, spread, _ in lines for end in (*spread.over_seeds, spread.mean)]
    low, high = 100 * min([*ends, 0.0]), 100 * max([*ends, 0.0])
    step = next((each for each in STEPS if (high - low) / each <= 8), STEPS[-1])
    low, high = step * (low // step), step * -(-high // step)
    scale = (RIGHT - LEFT) / ((high - low) or 1)
    foot = TOP + LINE * len(lines)
    rules = [_rule(value, LEFT + scale * (value - low), foot - 4) for value in range(int(low), int(high) + 1, step)]
    marks = [
        _mark(words, spread, is_strong, TOP + LINE * place + 4, lambda share: LEFT + scale * (100 * share - low))
        for place, (words, spread, is_strong) in enumerate(lines)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {RIGHT + 24:g} {foot + 6:g}" role="img" '
        f'aria-label="Differences in points, with intervals over seeds"><style>{STYLE}</style>'
        f"{''.join(rules)}{''.join(marks)}</svg>\n"
    )


def _rule(value: int, x: float, foot: float) -> str:
    return (
        f'<line class="{"rule" if value else "zero"}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{foot:.1f}"/>'
        f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{f"{value:+d}" if value else 0}</text>'
    )


def _lines(finding: Finding) -> list[tuple[str, Spread, bool]]:
    """Return what stands beside each line, what it shows, and whether it is of the strong battery."""
    if finding.spread is None:
        return []
    group = {"paper": "the paper's attacks", "clean": "unattacked", "corruptions": "corruptions"}.get(
        finding.claim.group, finding.claim.group
    )
    strong = [
        (f"{finding.claim.id}, {each.measure}", each.spread, True) for each in finding.strong if each.says_something
    ]
    return [(f"{finding.claim.id}, {group}", finding.spread, False), *strong]


def _mark(words: str, spread: Spread, is_strong: bool, y: float, place: Callable[[float], float]) -> str:
    first, last = (place(end) for end in spread.over_seeds)
    return (
        f"<g{' class=' + chr(34) + 'far' + chr(34) if is_strong else ''}>"
        f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(words)}</text>'
        f'<line x1="{first:.1f}" x2="{last:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle cx="{place(spread.mean):.1f}" cy="{y:.1f}" r="4"/></g>'
    )
