"""The section of docs/benchmarks.md about what somebody would pick instead."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.markdown import origin, table
from compressor.certify.statistics import paired_difference

Plain = dict[str, Any]

WORDS = """\
## What somebody would pick instead

`python -m benchmarks.peers.run`

Each tool halves the multiply-adds of the published ResNet-20 on CIFAR-10 (JPEG), tunes it for one epoch on the same
8,000 images, and writes an ONNX file: one thread, in an environment of its own, by a script in
`benchmarks/peers/scripts/` that is written as the tool's documentation writes it. An environment is made by

    python -m venv ENVS/NAME && ENVS/NAME/bin/pip install torch torchvision onnx onnxscript PACKAGE

where PACKAGE is `torch-pruning`, `nncf torchao`, or `nvidia-modelopt torchprofile==0.0.4` (in ENVS/modelopt); torchao
and torchprofile are asked for at run time only. `--envs ENVS` says where.

Multiply-adds and parameters are counted in the file that comes out. Accuracy is on all 10,000 test images, looked at
once; what a tool chooses by are training images set aside. *time / ours* is of runs in turns with our file, batch 1 on
one thread; p50 of different rows was taken at different times. Ours normalises images itself, the others leave that to
whoever runs them. Processor time is of the whole script, its start included. *lines* are lines of code, comments left
out; *+N* is the training code that the scripts share, which many have already.

What is compared is a whole way, not a criterion: ours also learns from the dense network's answers, which is its
default, and the others' training is the usual loop. FastNAS ranks by 500 images and fewer batches than its default, to
stay within minutes. torch-pruning was given no budget but steps, and went a little below half. The row with `--keep`
was added after the first row's result was known. The environments shared one installation of torch. One run each: how
much another seed would change was not measured.
"""
NAMES = {
    "ours": "`compress prune`, `compress export`",
    "ours-inner": "the same with `--keep conv1 --keep 'layer*.conv2'`",
    "torch-pruning": "torch-pruning, inner convolutions",
    "torch-pruning-readme": "torch-pruning, as in its README",
    "modelopt": "ModelOpt FastNAS",
    "nncf": "NNCF, `nncf.prune`",
    "control": "no pruning, the same training",
}
"""What a part is called, in the order of the table."""
HEAD = (
    "tool", "version", "accuracy %", "multiply-adds", "parameters", "bytes", "p50 (ms)", "time / ours", "processor (s)",
    "lines",
)  # fmt: skip

REST = """\
What comes with each, by its documentation:

| tool | told the budget | parity of the file | robustness | gate | slim network reloads without pickle |
| --- | --- | --- | --- | --- | --- |
| `compress` | multiply-adds, parameters, bytes, latency | checked at export | certificate | exit code | yes |
| torch-pruning | a channel ratio; the loop is the user's | no | no | no | no: the whole module is pickled |
| ModelOpt FastNAS | multiply-adds or parameters | no | no | no | its own `mto.restore` |
| NNCF | a share of weights | no | no | no | nothing is slim |
| torchattacks | - | - | a tensor of images | no | - |
"""
NNCF = """\
NNCF removed filter pruning in 3.0: the modes of `nncf.prune` set single weights to zero. The file computes with the
zeros, so that work, size and latency stay those of the dense network, and its accuracy compares with that row. 2.19.0,
the last release with filter pruning, asks for numpy below 2.3 and was not tried; it set whole filters to zero, which
OpenVINO's converter then took out (its documentation).
"""
HEAD_ATTACKS = ("attacker", "right under attack", "stands, but falls to `full`", "processor (s)", "runs", "lines")
ATTACKS = """\
### Attacks on our slim network

`python -m benchmarks.peers.run robustness`

The network of the first row above at {threat}, {num} test images, everybody on the same ones, in turns. `quick`,
`standard` and `full` are `compress certify`, its checks of the attacks included; `full` holds the four components of
reference AutoAttack at its settings (fra31/auto-attack is not on PyPI). torchattacks as its documentation shows it:
PGD with 40 steps of a quarter of epsilon, and `AutoAttack(version="standard")`, which takes 10 steps where the
reference takes 100. Processor time from the start of the program to its answer, medians. The network was trained on
natural images and little stands, so that plain PGD finds nearly everything; on the robust networks of the oracles above
it left more standing than `standard` did.
"""
PEERS = ("torchattacks PGD-40", "torchattacks AutoAttack")
ORDER = ("quick", "standard", "full", *PEERS)
CONFIDENCE = 0.95
ALIKE, ALIKE_SECONDS = 0.02, 0.1
"""Shares of ours that differ by less are about equal: of what is counted, and of time on a busy machine."""
NONE = "No rows yet.\n"


def peers(records: Sequence[Plain]) -> str:
    """Return both tables, and in words who is better where."""
    rows = {row["part"]: row for record in records for row in record["rows"] if "part" in row}
    attacks = {row["battery"]: row for record in records for row in record["rows"] if "battery" in row}
    if "ours" not in rows:
        return "\n".join([WORDS, NONE])
    known = [name for name in NAMES if name in rows]
    parts = [WORDS, table(HEAD, [_cells(name, rows[name]) for name in known], num_left=2) + "\n"]
    parts += [*(f"- {words}" for name in known for words in _beside(name, rows)), ""]
    parts += _inner(rows)
    parts += [NNCF] if "nncf" in rows else []
    parts += [REST, *(_attacked(attacks) if attacks else [])]
    created, hosts, versions = ([record[name] for record in records] for name in ("created", "host", "versions"))
    busy = [row["load"] for row in (*rows.values(), *attacks.values())]
    parts.append(
        f"{origin(created, hosts, versions)} Busy with other work at the same time: {min(busy):.1f} to {max(busy):.1f} "
        "processes wanted a core.\n"
    )
    return "\n".join(parts)


def _cells(name: str, row: Plain) -> list[str]:
    packages = row["made"]["packages"]
    # The first one is the tool; the control is torch alone.
    tool = next(iter(packages))
    lines = f"{row['lines']} +{row['lines_of_training']}" if row["lines_of_training"] else str(row["lines"])
    begin = [NAMES[name], f"{tool} {packages[tool]}"]
    if "failed" in row:
        return [*begin, "fails", *["-"] * 5, f"{row['seconds']:.0f}", lines]
    cost, latency = row["cost"], row["latency"]
    against = latency["against"]
    return [
        *begin,
        f"{100 * row['test_accuracy']:.2f}",
        f"{cost['macs'] / 1e6:.2f}M",
        f"{cost['params']:,}",
        f"{cost['num_bytes']:,}",
        f"{latency['rows'][0]['p50_ms']:.3f}",
        "1" if against is None else _ratio(against),
        f"{row['seconds']:.0f}",
        lines,
    ]


def _beside(name: str, rows: dict[str, Plain]) -> Iterator[str]:
    """Say what a tool does better than ours and what worse; the control is no other tool."""
    row, ours = rows[name], rows["ours"]
    if name in ("ours", "control"):
        return
    if "failed" in row:
        yield f"{NAMES[name]}: fails after {row['seconds']:.0f} s, `{row['failed']}`."
        return
    found = list(_compared(row, ours))
    better = [words for is_better, words in found if is_better is True]
    worse = [words for is_better, words in found if is_better is False]
    alike = [words for is_better, words in found if is_better is None]
    said = [
        f"{label}: {', '.join(words)}"
        for label, words in (("better than ours", better), ("worse", worse), ("about equal or not told apart", alike))
        if words
    ]
    yield f"{NAMES[name]}: {'; '.join(said)}."


def _compared(row: Plain, ours: Plain) -> Iterator[tuple[bool | None, str]]:
    """Yield each comparison: whether the other is better (None: the interval leaves it open), and the words."""
    is_better, points = _accuracy(row, ours)
    yield is_better, f"accuracy {points}"
    if row["latency"]["against"]:
        low, high = row["latency"]["against"]["ratio_interval"]
        yield (True if high < 1 else False if low > 1 else None), f"latency {_ratio(row['latency']['against'])} of ours"
    for words, key in (("multiply-adds", "macs"), ("parameters", "params"), ("bytes", "num_bytes")):
        share = row["cost"][key] / ours["cost"][key]
        yield _less(share, ALIKE), f"{words} {share:.2f} of ours"
    share = row["seconds"] / ours["seconds"]
    yield _less(share, ALIKE_SECONDS), f"processor time {share:.2f} of ours"
    lines = row["lines"] + row["lines_of_training"]
    yield _less(lines / ours["lines"], 0.0), f"{lines} lines beside {ours['lines']}"


def _less(share: float, alike: float) -> bool | None:
    """Return whether a share of ours is less; None: about equal."""
    return None if abs(share - 1) <= alike else share < 1


def _accuracy(row: Plain, ours: Plain) -> tuple[bool | None, str]:
    """Return whether a row answers more right than another one, and the paired difference in words."""
    first, second = right_of(row), right_of(ours)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = paired_difference(only_first, only_second, len(first), CONFIDENCE)
    points = 100 * (only_first - only_second) / len(first)
    is_better = True if low > 0 else False if high < 0 else None
    return is_better, f"{points:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f})"


def _inner(rows: dict[str, Plain]) -> Iterator[str]:
    """Say what keeping the shortcuts' channels does, and how the others compare with that."""
    inner = rows.get("ours-inner")
    if inner is None or "failed" in inner:
        return
    is_righter, points = _accuracy(inner, rows["ours"])
    against = inner["latency"]["against"]
    others = [
        f"{NAMES[name]} {_accuracy(rows[name], inner)[1]}"
        for name in ("torch-pruning", "modelopt")
        if name in rows and "failed" not in rows[name]
    ]
    yield (
        "By default `compress prune` also takes channels that the shortcuts carry; the others leave them whole here."
        f" With them kept it answers {points} and takes {_ratio(against)} of the time"
        + (
            ": on this network our default is not our best. "
            if is_righter and against["ratio_interval"][1] < 1
            else ". "
        )
        + (f"Accuracy beside that row: {'; '.join(others)}." if others else "")
        + "\n"
    )


def right_of(row: Plain) -> NDArray[np.bool_]:
    """Return which test images a row's file answers right: (N,) bool."""
    return bits(row["right"], row["num_test"])


def bits(text: str, num: int) -> NDArray[np.bool_]:
    """Return what was packed as text: (num,) bool."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8))[:num].astype(np.bool_)


def _attacked(attacks: dict[str, Plain]) -> Iterator[str]:
    """Yield the table of attackers, and what it says."""
    known = [name for name in ORDER if name in attacks]
    first = attacks[known[0]]
    yield ATTACKS.format(threat=first["threat"], num=first["num_images"])
    full = bits(attacks["full"]["stands"], first["num_images"]) if "full" in attacks else None
    cells = []
    for name in known:
        row = attacks[name]
        stands = bits(row["stands"], row["num_images"])
        missed = "-" if full is None else str(int((stands & ~full).sum()))
        seconds = f"{np.median(row['all_seconds']):.1f}"
        label = name if name in PEERS else f"`{name}`"
        share = f"{row['num_standing'] / row['num_images']:.1%}"
        cells.append([label, share, missed, seconds, str(len(row["all_seconds"])), str(row["lines"])])
    yield table(HEAD_ATTACKS, cells) + "\n"
    for name in PEERS:
        if {name, "standard"} <= set(attacks):
            yield f"- {name} beside `standard`: {_attack_words(attacks[name], attacks['standard'])}."
    yield ""


def _attack_words(peer: Plain, ours: Plain) -> str:
    more = peer["num_standing"] - ours["num_standing"]
    strength = (
        "answers the same"
        if more == 0
        else f"leaves {_images(more)} more standing, so that it is the weaker one"
        if more > 0
        else f"breaks {_images(-more)} more, so that it is the stronger one"
    )
    share = np.median(peer["all_seconds"]) / np.median(ours["all_seconds"])
    return f"{strength}; it takes {share:.2f} times as long"


def _images(num: int) -> str:
    return "one image" if num == 1 else f"{num} images"


def _ratio(against: Plain) -> str:
    low, high = against["ratio_interval"]
    return f"{against['ratio_p50']:.3f} ({low:.3f} to {high:.3f})"
