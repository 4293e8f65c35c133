"""The rows of the coverage benchmark as one page of markdown."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.coverage_row import Row
from compressor.files import write_whole

FAMILIES = {"torchvision": "Every classifier of torchvision", "timm": "Diverse networks of timm"}
COLUMNS = (
    "network", "leaves", "channels", "parameters", "MACs", "plan + cut (s)", "memory", "save + reload (s)",
    "export (s)", "MB as ONNX", "parity",
)  # fmt: skip
HEAD = """\
# Which networks are covered

Written by `make coverage` from `benchmarks/results/coverage/`; nothing here is edited by hand.

Every network goes the same way: random weights that make every layer matter (batch normalisation with the statistics
of noise, no constant left), written as a checkpoint, loaded **without `--arch`**, planned at ratio {ratio}, cut, saved
as a slim checkpoint, rebuilt in a process where torch-pruning cannot be imported and compared **bit for bit** on two
images, exported as ONNX at its native size, and compared with onnxruntime on {images} images in batches of 1, 3 and 8.
Accuracy is not the subject: no network here is trained.

- *channels, parameters, MACs*: the share that left. Where no filter can leave, whole residual blocks do.
- *plan + cut*, *save + reload*, *export*: seconds of processor time on one thread. Planning and cutting follow shapes
  only; the one image that is computed, to compare with the masked network, is as small as the network takes.
- *memory*: the peak while planning and cutting, the dense model itself included, in multiples of the dense model's
  bytes. Small networks show the constant cost of following the graph.
- *parity*: the largest difference between torch and onnxruntime over the largest logit.
- A dash: not measured yet (`--without-export` leaves out the slow half; the next `make coverage` adds it).
"""


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the page, whole."""
    write_whole(path, page(rows).encode())


def page(rows: Sequence[Row]) -> str:
    """Return the page."""
    exported = {row.parity_images for row in rows if row.parity_images}
    ratios = {row.ratio for row in rows if row.ratio}
    parts = [HEAD.format(ratio=_one(ratios), images=_one(exported))]
    for family, title in FAMILIES.items():
        mine = [row for row in rows if row.model.startswith(f"{family}:")]
        if mine:
            parts.append(_section(title, sorted(mine, key=lambda row: row.model)))
    parts.append(_origin(rows))
    return "\n".join(parts)


def _section(title: str, rows: Sequence[Row]) -> str:
    cut, exported = [row for row in rows if row.bit_equal], [row for row in rows if row.is_whole()]
    count = f"{len(cut)} of {len(rows)} were cut and came back bit for bit"
    lines = [f"## {title}", "", f"{count}; {len(exported)} of them were exported, and agree.", ""]
    lines += [_line(COLUMNS), _line(["---", "---", *["---:"] * (len(COLUMNS) - 2)])]
    lines += [_line(_cells(row)) for row in rows]
    remarks = [remark for row in rows for remark in _remarks(row)]
    return "\n".join([*lines, *(["", *remarks] if remarks else []), ""])


def _cells(row: Row) -> list[str]:
    name = row.model.partition(":")[2]
    if row.before is None or row.after is None:
        return [name, "refused", *["-"] * (len(COLUMNS) - 2)]
    return [
        name,
        row.structure or "-",
        _share(row.before.filters, row.after.filters),
        _share(row.before.params, row.after.params),
        _share(row.before.macs, row.after.macs),
        _sum(row.plan_seconds, row.slim_seconds),
        "-" if row.memory_multiple is None else f"{row.memory_multiple:.1f}x",
        _sum(row.save_seconds, row.reload_seconds),
        _sum(row.export_seconds),
        "-" if row.bytes_onnx is None else f"{row.bytes_onnx / 1e6:.1f}",
        _parity(row),
    ]


def _remarks(row: Row) -> list[str]:
    """Return what cannot be said in a cell."""
    found = []
    if row.refused:
        found.append(f"- `{row.model}` is refused. {row.refused}")
    if row.identified is not None and row.identified != row.model:
        found.append(f"- `{row.model}` is recognised as `{row.identified}`.")
    if row.not_in_width:
        found.append(f"- `{row.model}` is pruned in depth: {row.not_in_width}.")
    if row.dense_onnx:
        found.append(f"- `{row.model}`, dense: {row.dense_onnx}. Its slim one goes through.")
    if row.bit_equal is False:
        found.append(f"- `{row.model}` does not answer bit for bit after it was reloaded.")
    return found


def _origin(rows: Sequence[Row]) -> str:
    """Say where and with what the rows were made."""
    hosts = sorted({f"{row.host['cpu']}, {row.host['cores']} cores, {row.host['os']}" for row in rows})
    names = ("torch", "torchvision", "timm", "torch-pruning", "onnx", "onnxscript", "onnxruntime-gpu", "onnxruntime")
    used = {name: sorted({row.versions[name] for row in rows if name in row.versions}) for name in names}
    text = ", ".join(f"{name} {' and '.join(values)}" for name, values in used.items() if values)
    codes = sorted({row.code for row in rows})
    return f"Made on {'; '.join(hosts)}, with {text}. Digests of the code: {', '.join(codes)}.\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _share(before: int, after: int) -> str:
    return f"{1 - after / before:.1%}"


def _sum(*seconds: float | None) -> str:
    known = [each for each in seconds if each is not None]
    return f"{sum(known):.1f}" if len(known) == len(seconds) else "-"


def _parity(row: Row) -> str:
    if row.max_rel is None:
        return "-"
    return f"{row.max_rel:.0e}" if row.parity == "passed" else f"**{row.parity}**: {row.max_rel:.0e}"


def _one(values: set[float] | set[int]) -> str:
    return " and ".join(f"{value:g}" for value in sorted(values)) or "-"
