"""Side by side with what somebody would pick instead, on one checkpoint, the same images and the same machine.

    python -m benchmarks.peers.run                                   # whatever has no row yet
    python -m benchmarks.peers.run modelopt --python envs/modelopt/bin/python
    python -m benchmarks.peers.run robustness

Parts: `ours`, `ours-inner`, `control`, `torch-pruning-readme`, `torch-pruning`, `modelopt` and `nncf` each halve the
multiply-adds of the published ResNet-20 (the control does not), tune it for an epoch on 8,000 images on one thread, and
write an ONNX file, by a script in `scripts/` that is written as that tool's documentation writes it. The file is then
measured here: cost, accuracy on the test images (looked at once), latency in turns with ours. `robustness` attacks our
slim network.

Each tool has an environment of its own, looked for as ENVS/NAME/bin/python, and nothing is installed into this one:

    python -m venv ENVS/NAME && ENVS/NAME/bin/pip install torch torchvision onnx onnxscript PACKAGE

NAME and PACKAGE are torch-pruning; or nncf, and torchao, which it needs; or modelopt, nvidia-modelopt and
torchprofile==0.0.4. Without ENVS/torchattacks its scripts run in this environment, which has torchattacks.

One file a part in `results/peers/`; what has its row of this code and these versions is kept.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.images import attacked_images, cifar_folder, small_tree
from benchmarks.peers.parts import ATTACKS, ROUNDS, SLIM, Part
from benchmarks.peers.robustness import attacked
from benchmarks.peers.slimming import installed, slimmed
from benchmarks.rows import RESULTS, ROOT, write_rows
from compressor.files import sha256_of_file

FOLDER = RESULTS / "peers"
ROBUSTNESS = "robustness"
WORK = Path(".compress") / "peers"

Fields = dict[str, Any]


def main() -> None:
    """Measure what is missing."""
    names = [*(part.name for part in SLIM), ROBUSTNESS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(names)}; none: all")
    parser.add_argument("--again", action="store_true", help="measure anew what has a row")
    parser.add_argument("--num-train", type=int, default=8000)
    parser.add_argument("--num-images", type=int, default=60, help="that are attacked")
    parser.add_argument("--python", type=Path, help="of the environment of the parts named")
    parser.add_argument("--envs", type=Path, default=WORK / "envs", help="folder with an environment for each tool")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data", help="checkpoint and archive")
    parser.add_argument("--cifar", type=Path, default=WORK / "cifar", help="where CIFAR-10 is or will be unpacked")
    parser.add_argument("--work", type=Path, default=WORK, help="files of all parts")
    options = parser.parse_args()
    if set(options.parts) - set(names):
        parser.error(f"a part is one of {', '.join(names)}")
    torch.set_num_threads(1)
    options.work = options.work.resolve()
    cifar = cifar_folder(options.shared, options.cifar)
    data = small_tree(cifar, options.work / f"images-{options.num_train}", num_train=options.num_train)
    for part in SLIM:
        if not options.parts or part.name in options.parts:
            _slim(part, options, data)
    if not options.parts or ROBUSTNESS in options.parts:
        _robustness(options, data)


def _slim(part: Part, options: argparse.Namespace, data: Path) -> None:
    """Measure one tool, or say why not."""
    python = _python(part, options)
    if python is None:
        print(f"{part.name}: no environment, see --help", flush=True)
        return
    made = {"code": part.code(), "packages": installed(python, part.packages), "num_train": options.num_train}
    path = FOLDER / f"{part.name}.json"
    if not options.again and any(row["made"] == made for row in _rows(path)):
        print(f"{part.name}: has its row", flush=True)
        return
    checkpoint = (options.shared / "checkpoints" / "resnet20-12fca82f.th").resolve()
    row = {"part": part.name, "made": made, "load": os.getloadavg()[0]}
    row |= slimmed(part, python=python, checkpoint=checkpoint, data=data, work=options.work)
    write_rows(path, [row])
    print({key: value for key, value in row.items() if key not in ("right", "latency")}, flush=True)


def _robustness(options: argparse.Namespace, data: Path) -> None:
    """Run the attackers in turns; an interrupted run goes on where it was."""
    path, slim = FOLDER / f"{ROBUSTNESS}.json", options.work / "ours" / "slim.safetensors"
    if not slim.is_file():
        print(f"{ROBUSTNESS}: measure ours first, it is its network that is attacked", flush=True)
        return
    images = attacked_images(data, options.work / f"attacked-{options.num_images}.npz", num_images=options.num_images)
    parts = {part.name: part for part in ATTACKS}
    made = {}
    for part in ATTACKS:
        python = _python(part, options) or Path(sys.executable)
        made[part.name] = {"code": part.code(), "packages": installed(python, part.packages)}
    rows = {
        row["battery"]: row
        for row in ([] if options.again else _rows(path))
        if row["made"] == made[row["battery"]]
        and (row["num_images"], row["slim_sha256"]) == (options.num_images, sha256_of_file(slim))
    }
    begun = Counter[str]()
    for name in ROUNDS:
        begun[name] += 1
        if name in rows and len(rows[name]["all_seconds"]) >= begun[name]:
            continue
        python = _python(parts[name], options) or Path(sys.executable)
        found = attacked(parts[name], python=python, slim=slim, images=images, work=options.work)
        before = rows[name]["all_seconds"] if name in rows else []
        rows[name] = {"battery": name, "made": made[name], "load": os.getloadavg()[0]} | found
        rows[name]["slim_sha256"] = sha256_of_file(slim)
        rows[name]["all_seconds"] = [*before, rows[name].pop("seconds")]
        print(rows[name], flush=True)
        write_rows(path, list(rows.values()))


def _python(part: Part, options: argparse.Namespace) -> Path | None:
    """Return the interpreter of a part's environment; None: nobody made one."""
    if part.is_ours:
        return Path(sys.executable)
    tool = part.packages[0].removeprefix("nvidia-")
    given = options.python if options.python and options.parts else options.envs / _environment(tool) / "bin" / "python"
    # Not resolved: the link is what makes it an environment.
    return given.absolute() if given.exists() else None


def _environment(tool: str) -> str:
    """Return the name of an environment: a script that needs torch alone runs in torch-pruning's."""
    return "torch-pruning" if tool == "torch" else tool


def _rows(path: Path) -> list[Fields]:
    return list(json.loads(path.read_bytes())["rows"]) if path.is_file() else []


if __name__ == "__main__":
    main()
