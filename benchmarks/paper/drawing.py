"""The findings as one drawing: for each claim the differences with their intervals, left and right of zero.

An SVG file of its own, readable on light and dark ground.
"""

from collections.abc import Sequence

from benchmarks.paper.judge import Finding, Spread
from compressor.report.drawings.canvas import DARK, MaxNLocator, Paint, as_file, panel, rules, settings, sheet, svg

WIDTH, LEFT, RIGHT, LINE, TOP, FOOT = 664.0, 300.0, 24.0, 17.0, 26.0, 26.0
STRONG = "#b3480f"
ON_DARK = DARK | {STRONG: "#f0a070"}
SPOKEN = "Differences in points, with intervals over seeds"
KINDS = ((False, "o", Paint.SLIM, "the claim's own measures"), (True, "s", STRONG, "the strong battery"))


@settings()
def forest(findings: Sequence[Finding]) -> str:
    """Return the drawing of all findings that were measured; marks are means, lines t intervals over seeds."""
    lines = [line for finding in findings for line in _lines(finding)]
    high = LINE * len(lines)
    figure = sheet(width=WIDTH, height=TOP + high + FOOT)
    axes = panel(figure, left=LEFT, top=TOP, width=WIDTH - LEFT - RIGHT, height=high)
    rules(axes)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [words for words, _, _ in lines], color=Paint.INK)
    axes.xaxis.tick_top()
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.0f}" if value else "0")
    axes.axvline(0, color=Paint.QUIET, linewidth=1.5)
    for is_strong, mark, paint, label in KINDS:
        some = [(place, spread) for place, (_, spread, strong) in enumerate(lines) if strong == is_strong]
        places = [place for place, _ in some]
        first, last = ([100 * spread.over_seeds[end] for _, spread in some] for end in (0, 1))
        axes.hlines(places, first, last, color=Paint.INK, linewidth=1.5, gid="interval")
        kind = "strong" if is_strong else "own"
        means = [100 * spread.mean for _, spread in some]
        axes.plot(means, places, mark, color=paint, markersize=7.5, label=label, gid=kind)
    figure.legend(loc="lower right", bbox_to_anchor=(1 - RIGHT / WIDTH, 0), ncols=2, frameon=False, borderpad=0.3)
    dark = {str(light): other for light, other in ON_DARK.items()}
    return as_file(svg(figure, name="forest", spoken=SPOKEN, dark=dark)).decode()


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
