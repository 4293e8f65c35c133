"""What the batteries answer and what they cost: oracles, residual networks, speed, and what settings are chosen by.

    python -m benchmarks.battery                     # what has no row of this code and these versions yet
    python -m benchmarks.battery oracle --again      # one kind anew: oracle, speed, choice, resnet
    python -m benchmarks.battery resnet --num-images 200 --device cuda:0
    python -m benchmarks.battery --stale             # measure nothing, say which rows are not of this code

One row per model and threat, written whenever a battery is through, so that it can be interrupted; on residual networks
a battery goes on where it was. What is trained and unpacked lies in the --work folder. The page is written by
`python -m benchmarks.page`.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: times are those of one thread

import torch

from benchmarks.battery_models import SEED, Places, Subject
from benchmarks.battery_parts import KINDS, Part, current_code, parts
from benchmarks.battery_row import FOLDER, SCHEMA, Answer, Row, read_row
from benchmarks.battery_runs import DECIDING, PEERS, Machine, digest_of, run, run_deciding, run_peer
from benchmarks.rows import ROOT
from compressor.attacks.threat import parse_threat
from compressor.files import write_whole
from compressor.records import dump, now
from compressor.runtime.machine import host, versions

POLICY = ROOT / "benchmarks" / "policies" / "cnn-a-mix.toml"


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; none: all")
    parser.add_argument("--only", nargs="+", default=[""], help="only rows whose names hold one of these")
    parser.add_argument("--again", action="store_true", help="measure anew what has a row")
    parser.add_argument("--stale", action="store_true", help="measure nothing, say what would be measured")
    parser.add_argument("--repeats", type=int, default=2, help="how often full runs on an oracle, to be timed")
    parser.add_argument("--num-images", type=int, default=500, help="of the residual networks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="chunks computed at the same time")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data", help="oracles and archives")
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as folders of JPEG files, where it is unpacked already")
    parser.add_argument("--work", type=Path, default=ROOT / ".compress" / "battery", help="what is trained and resumed")
    options = parser.parse_args()
    if set(options.kinds) - set(KINDS):
        parser.error(f"a kind is one of {', '.join(KINDS)}")
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    places = Places(shared=options.shared, cifar=options.cifar, work=options.work)
    machine = Machine(device=options.device, threads=options.threads)
    for part in parts(repeats=options.repeats, num_images=options.num_images):
        is_asked = part.kind in (options.kinds or KINDS) and any(word in part.name for word in options.only)
        if not is_asked:
            continue
        known = {} if options.again else kept(part)
        todo = [name for name in part.batteries if name not in known]
        if options.stale or not todo:
            print(f"{part.name}: {'lacks ' + ', '.join(todo) if todo else 'has its row'}", flush=True)
        elif not options.shared.is_dir():
            print(f"{part.name}: left out, there is no folder {options.shared}", flush=True)
        else:
            _Bench(part=part, subject=part.opens(places, part.num_images), machine=machine, work=options.work).measure(
                known, todo
            )


def kept(part: Part) -> dict[str, Answer]:
    """Return the answers of an earlier run that the same code, libraries and lists of attacks would give again."""
    path = FOLDER / f"{part.name}.json"
    if not path.exists():
        return {}
    row = read_row(path)
    is_same = (row.code, row.threat, row.num_images) == (current_code(part.kind), part.threat, part.num_images)
    if not is_same or not versions().items() <= row.versions.items():
        return {}
    threat = parse_threat(part.threat)
    wanted = {name: digest_of(name, threat, policy=POLICY) for name in part.batteries}
    found = {each.battery: each for each in row.answers if wanted.get(each.battery) == each.sha256}
    # What was timed in turns is measured together or not at all.
    return {} if part.rounds and len(found) < len(wanted) else found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """One part on its way to a row."""

    part: Part
    subject: Subject
    machine: Machine
    work: Path

    def measure(self, known: dict[str, Answer], todo: Sequence[str]) -> None:
        """Run what is missing and write the row."""
        if self.part.rounds:
            known, todo = {}, self.part.rounds
            self.run(todo[0])  # warm-up
        for name in todo:
            answer = self.run(name)
            known[name] = _once_more(known[name], answer) if name in known else answer
            row = self.row([known[each] for each in self.part.batteries if each in known])
            took = f"{answer.seconds[0]:.1f} s" if answer.seconds else "resumed"
            print(f"{row.name}: {name} leaves {row.num_standing(answer)} of {row.num_images} ({took})", flush=True)
            if not self.part.rounds:
                self.write(row)
        self.write(row)

    def run(self, name: str) -> Answer:
        """Run one battery."""
        threat = parse_threat(self.part.threat)
        if name in PEERS:
            return run_peer(self.subject, threat, name, machine=self.machine)
        if name == DECIDING:
            return run_deciding(self.subject, threat, POLICY, machine=self.machine)
        # Saving state costs time, so only what takes very long keeps some.
        state = self.work / "state" / f"{self.part.name}-{name}" if self.part.kind == "resnet" else None
        return run(self.subject, threat, name, machine=self.machine, state=state)

    def row(self, answers: Sequence[Answer]) -> Row:
        """Return the row with what is known so far."""
        return Row(
            schema=SCHEMA,
            created=now(),
            kind=self.part.kind,
            name=self.part.name,
            model=self.subject.model,
            model_sha256=self.subject.checkpoint.sha256,
            threat=self.part.threat,
            images=self.subject.where,
            num_images=len(self.subject.images),
            seed=SEED,
            device=self.machine.device,
            threads=self.machine.threads,
            code=current_code(self.part.kind),
            versions=versions(),
            host=host(),
            load=round(os.getloadavg()[1], 1),
            answers=tuple(answers),
        )

    def write(self, row: Row) -> None:
        """Write the row, whole."""
        write_whole(FOLDER / f"{row.name}.json", dump(row))


def _once_more(before: Answer, after: Answer) -> Answer:
    """Return an answer with the times of one more repetition; the same battery says the same again."""
    assert before.standing == after.standing, f"{before.battery} answered something else the second time"
    return replace(
        before,
        seconds=before.seconds + after.seconds,
        wall_seconds=before.wall_seconds + after.wall_seconds,
        preflight_seconds=before.preflight_seconds + after.preflight_seconds,
    )


if __name__ == "__main__":
    main()
