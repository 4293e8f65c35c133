"""What a person reads when a command is done, and the next command."""

import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path

from cli.columns import WIDTH, in_columns, quoted
from cli.outputs import as_json, history_beside
from compressor.bench.record import Latency, LatencyRow
from compressor.certify.certificate import Certificate, ThreatResult
from compressor.certify.corruption_result import CorruptionResult
from compressor.estimate import Estimate
from compressor.export.record import Parity
from compressor.finetune import History, Prepared
from compressor.finetune.microbatches import mean_batch, num_steps
from compressor.finetune.recipe import peak_rate
from compressor.prune import Plan, Target
from compressor.records import to_plain
from compressor.report.text import commands_text
from compressor.shipping import Shipped
from compressor.shrink import Shrunk

WIDE_GAP = 0.02
"""Of dense: a gap above it is explained."""

QUANTITIES = {
    "macs": "multiply-adds",
    "params": "parameters",
    "bytes": "bytes of model.onnx",
    "latency_ms": "ms (upper end of the median's interval)",
    "latency_ratio": "of the dense latency (upper end of the interval)",
}
"""What the numbers of a target are."""


def plan_text(plan: Plan) -> str:
    """Say what leaves and what stays."""
    before, after = plan.before, plan.after
    lines = [f"{'':<15}{'dense':>14}{'slim':>14}{'leaves':>9}"]
    for name, one, two in (
        ("filters", before.filters, after.filters),
        ("parameters", before.params, after.params),
        ("multiply-adds", before.macs, after.macs),
    ):
        lines.append(f"{name:<15}{one:>14,}{two:>14,}{1 - two / one:>9.1%}")
    lines += [] if plan.target is None else _target_lines(plan.target)
    lines += [f"removed block   {name}" for name in plan.removed_blocks]
    lines += [in_columns("left whole      ", f"{left.name}: {left.reason}") for left in plan.left_out]
    return "\n".join([*lines, f"coupled by      {plan.source}"])


def _target_lines(target: Target) -> list[str]:
    """Say how near the ceiling is, and where the gap is wide what the next step up would be."""
    unit = QUANTITIES[target.quantity]
    reached = f"{_amount(target.limit)} {unit}, reached {_amount(target.reached)}"
    lines = [in_columns("ceiling         ", f"{reached}: a gap of {target.gap_fraction:.2%} of dense")]
    step = target.next_step
    if target.gap_fraction > WIDE_GAP:
        lines.append(
            "next step up    none: nothing else may be given back"
            if step is None
            else in_columns("next step up    ", f"{_amount(step.size)}, which gives back {step.gives_back}")
        )
    return lines


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 10_000 else f"{value:.4g}"


def shrunk_text(shrunk: Shrunk, path: Path) -> str:
    """Say what became of the checkpoint, and what to do next."""
    lines = [plan_text(shrunk.plan)]
    if shrunk.history is None:
        lines += [
            f"wrote {path}",
            "Nothing was fine-tuned: without --data there are no training images, and the",
            "accuracy has dropped.",
            f"next: compress finetune {quoted(path)} --data DATA",
        ]
    else:
        lines += [*_tuned_lines(shrunk.history), *_wrote(path), f"next: compress export {quoted(path)}"]
    return "\n".join(lines)


def history_text(history: History, path: Path) -> str:
    """Say what fine-tuning brought."""
    return "\n".join([*_tuned_lines(history), *_wrote(path), f"next: compress export {quoted(path)}"])


def _wrote(path: Path) -> list[str]:
    """Say which files a tuned checkpoint is."""
    return [f"wrote {path}", f"wrote {history_beside(path)}"]


def _tuned_lines(history: History) -> list[str]:
    """Say what came back, how fast, and what a reader should know."""
    best = history.select_accuracy
    lines = [f"select accuracy {history.select_accuracy_before:.1%} -> {best:.1%} (epoch {history.best_epoch} kept)"]
    if history.select_robust_accuracy is not None:
        lines.append(f"of a sample, {history.select_robust_accuracy:.1%} under the attack of training")
    if history.epochs:
        rate = statistics.median(epoch.images_per_second for epoch in history.epochs)
        lines.append(f"trained on {rate:,.0f} images/s (median epoch)")
    return lines + [in_columns("note: ", note) for note in history.notes]


def recipe_text(ready: Prepared, estimate: Estimate) -> str:
    """Say what fine-tuning would do: every value of the recipe as it would be carried out, and the time."""
    recipe, num = ready.recipe, len(ready.train)
    values = ", ".join(f"{key}={value}" for key, value in to_plain(recipe).items() if value is not None)
    steps = num_steps(recipe, num_images=num)
    per_step = recipe.batch_size // recipe.micro_batch
    peak = peak_rate(recipe, batch_size=mean_batch(recipe, num_images=num))
    lines = [
        f"would fine-tune on {num:,} images, judged by {len(ready.select):,} select images",
        f"recipe          {values}",
        f"an epoch        {steps} steps of {per_step} x {recipe.micro_batch} images",
        f"learning rate   {peak:.4g} at its peak",
        f"time            about {_duration(estimate.seconds)}, measured here",
        f"disk            {estimate.disk_bytes / 1e6:.0f} MB",
    ]
    return "\n".join(_wrapped(line) for line in lines)


def export_text(shipped: Shipped, path: Path) -> str:
    """Say how the ONNX file compares with the torch model."""
    lines = [f"model.onnx      {shipped.parity.bytes_model:,} bytes, {shipped.parity.precision}"]
    if shipped.ort is not None:
        lines.append(f"model.ort       {len(shipped.ort):,} bytes")
    for parity in shipped.parities:
        lines += _parity_lines(parity)
    lines.append(f"wrote {path} (not certified)")
    if shipped.agrees:
        lines.append(f"next: compress certify {quoted(path)} --data DATA --threat linf:2/255")
    return "\n".join(lines)


def _parity_lines(parity: Parity) -> list[str]:
    apart = f"logits at most {parity.max_rel:.1e} of the largest apart"
    lines = [
        in_columns("parity          ", f"{parity.decision} on {parity.provider}: {apart}"),
        in_columns(
            " " * 16,
            f"same answer on {parity.agreement:.1%} of {parity.num_images} images, "
            f"{parity.agreement_adversarial or 0:.1%} of {parity.num_adversarial} adversarial ones",
        ),
    ]
    if parity.accuracy_torch is not None and parity.accuracy_onnx is not None:
        both = f"{parity.accuracy_torch:.1%} in torch, {parity.accuracy_onnx:.1%} in onnxruntime"
        lines.append(f"                accuracy {both}")
    return lines


def certificate_text(certificate: Certificate, path: Path) -> str:
    """Say what holds, with intervals."""
    result = certificate.result
    low, high = result.clean_interval
    lines = [f"clean accuracy           {result.clean_accuracy:6.1%}  [{low:.1%}, {high:.1%}]"]
    for threat in result.threats:
        low, high = threat.interval
        name = f"robust at {threat.norm}:{threat.epsilon}"
        lines.append(f"{name:<24} {threat.robust_accuracy:6.1%}  [{low:.1%}, {high:.1%}]  battery {threat.battery}")
        lines += [] if threat.audit is None else [f"  audit: {threat.audit_words()}"]
        lines += _proof_lines(threat)
        lines += [f"  flag {flag.id}: {flag.measured}; {flag.advice}" for flag in threat.flags]
    if not result.threats:
        lines += [f"accuracy at {point.norm}:{point.epsilon:<12} {point.accuracy:6.1%}" for point in result.curve]
    lines += [] if result.corruptions is None else _corruption_lines(result.corruptions)
    said = [_wrapped(line) for line in (*lines, result.claim)]
    again = commands_text(certificate.run.commands or ())
    return "\n".join([*said, f"wrote {path}", *again, f"next: compress gate {quoted(path)} --policy policy.toml"])


def _wrapped(line: str) -> str:
    """Return a line in lines of a terminal; what is in columns fits already, and stays."""
    if len(line) <= WIDTH:
        return line
    return textwrap.fill(line, WIDTH, subsequent_indent="    " if line.startswith("  ") else "", break_long_words=False)


def _proof_lines(threat: ThreatResult) -> list[str]:
    """Say what was proved, how far margins can fall, and what smoothing gives; or why not."""
    found = threat.proof
    if found is None:
        return []
    lines = [f"  nothing proved: {found.out_of_reach}"]
    if threat.proved_accuracy is not None and found.interval is not None:
        low, high = found.interval
        lines = [f"  {'proved':<22} {threat.proved_accuracy:6.1%}  [{low:.1%}, {high:.1%}]  by {found.method}"]
    fall = found.margin_fall
    if fall is not None and fall.median is not None and fall.p90 is not None:
        lines.append(
            f"  margin against dense falls by at most {fall.median:.2f} logits for half, {fall.p90:.2f} for nine "
            f"tenths of {fall.num_images:,} images"
        )
    elif fall is not None and fall.out_of_reach is not None:
        lines.append(f"  no bound on the fall of margins: {fall.out_of_reach}")
    smooth = found.smoothing
    if smooth is not None:
        low, high = smooth.interval
        lines.append(
            f"  {'smoothed model':<22} {smooth.certified_accuracy:6.1%}  [{low:.1%}, {high:.1%}]  another classifier: "
            f"{smooth.num_images} images, {smooth.num_draws:,} draws"
        )
    return lines


def _corruption_lines(found: CorruptionResult) -> list[str]:
    """Say what corruptions and shifts left, the mean of each."""
    (low, high), worst = found.mean_interval, found.worst
    lines = [
        f"{'mean over corruptions':<24} {found.mean_accuracy:6.1%}  [{low:.1%}, {high:.1%}]  "
        f"worst: {worst}, {found.mean_of(worst):.1%}"
    ]
    lines += [f"  {name:<22} {found.mean_of(name):6.1%}" for name in found.names]
    for row in found.worst_case:
        low, high = row.interval
        places = f"worst of {row.settings['num_positions']} places"
        lines.append(f"{row.name:<24} {row.accuracy:6.1%}  [{low:.1%}, {high:.1%}]  {places}")
    return [*lines, *(f"skipped {each.name}: {each.reason}" for each in found.skipped)]


def latency_text(latency: Latency, path: Path) -> str:
    """Say how long it takes, and whether that differs from the other model."""
    times = f"{'p50 ms':>10}{'p90 ms':>10}{'p99 ms':>10}{'images/s':>11}"
    lines = [f"{'provider':<10}{'timed':<12}{'batch':>6}{'threads':>8}{times}"]
    lines += [*(_latency_row(row) for row in latency.rows), *_file_line(latency.rows, latency.file_bytes)]
    if latency.against is not None:
        low, high = latency.against.ratio_interval
        ratio = latency.against.ratio_p50
        word = "no difference shown" if low <= 1 <= high else "faster" if ratio < 1 else "slower"
        lines += ["against:", *(_latency_row(row) for row in latency.against.rows)]
        lines += _file_line(latency.against.rows, latency.against.file_bytes)
        lines.append(f"ratio of medians {ratio:.3f} [{low:.3f}, {high:.3f}]: {word}")
    lines += [in_columns("not measured: ", f"{each.what}: {each.reason}") for each in latency.not_measured or ()]
    if latency.noisy:
        lines.append("this machine is noisy: the file against itself was not 1 within 5 %")
    return "\n".join([*lines, f"wrote {path}"])


def _latency_row(row: LatencyRow) -> str:
    p99 = "-" if row.p99_ms is None else f"{row.p99_ms:.3f}"
    timed = "graph" if row.cuda_graph else "end to end" if row.transfers_included else "on device"
    return (
        f"{row.provider:<10}{timed:<12}{row.batch:>6}{row.threads:>8}{row.p50_ms:>10.3f}{row.p90_ms:>10.3f}{p99:>10}"
        f"{row.images_per_second:>11.1f}"
    )


def _file_line(rows: Sequence[LatencyRow], num_bytes: int | None) -> list[str]:
    """Say how large a file is, how long it takes to open and how much memory it takes, as far as that is known."""
    first = rows[0]
    memory = [row.peak_memory_bytes for row in rows if row.peak_memory_bytes is not None]
    known = [
        "" if num_bytes is None else f"{num_bytes / 1e6:.2f} MB",
        "" if first.load_ms is None else f"opens in {first.load_ms:.1f} ms",
        f"takes at most {max(memory) / 1e6:.1f} MB of {first.peak_memory_of} memory" if memory else "",
    ]
    return [in_columns("the file: ", ", ".join(text for text in known if text))] if any(known) else []


def after_bench(model: Path, path: Path, *, is_compared: bool) -> str:
    """Return the command that comes next: without another model to compare with, there is no ratio to demand."""
    if not is_compared:
        return f"next: compress bench {quoted(model)} --against DENSE"
    return f"next: compress gate {quoted(path)} --policy policy.toml"


def estimate_json(estimate: Estimate) -> str:
    """Return what a run would cost, as a record."""
    return as_json("estimate", stages=estimate.stages, seconds=estimate.seconds, disk_bytes=estimate.disk_bytes)


def estimate_text(estimate: Estimate) -> str:
    """Say what a run would cost."""
    lines = [in_columns(f"{stage.stage:<12}{_duration(stage.seconds):>12}  ", stage.what) for stage in estimate.stages]
    total = f"{'together':<12}{_duration(estimate.seconds):>12}  at most, measured here"
    return "\n".join([*lines, total, f"{'disk':<12}{estimate.disk_bytes / 1e6:>9.0f} MB"])


def estimate_sentence(estimate: Estimate, num_processes: int) -> str:
    """Say how long it may take before it begins."""
    shared = f" shared by {num_processes} processes" if num_processes > 1 else ""
    return f"this takes at most about {_duration(estimate.seconds / num_processes)}{shared}, if every image survives"


def _duration(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds > 5400
        else f"{seconds / 60:.1f} min"
        if seconds > 90
        else f"{seconds:.0f} s"
    )
