"""The rulers of the benchmark beside peers: lines, cost of a file, time of a process, images."""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from benchmarks.peers.images import small_tree
from benchmarks.peers.lines import lines_of_code
from benchmarks.peers.onnx_cost import file_cost
from benchmarks.peers.parts import ATTACKS, ROUNDS, SLIM
from benchmarks.peers.processes import finished
from benchmarks.peers.slimming import installed

SCRIPT = '''"""What it is.

More of it.
"""

import sys  # stays one line


def say(
    what: str,
) -> None:
    """Say it."""
    # Loudly.
    sys.stdout.write("""two
lines""")
'''


def test_lines_are_those_that_hold_code(tmp_path: Path) -> None:
    """Docstrings, comments and empty lines are free; a string over two lines is two."""
    (tmp_path / "a.py").write_text(SCRIPT)
    (tmp_path / "b.sh").write_text("# why\nset -e\n\ncompress prune x  # how\n")
    assert lines_of_code(tmp_path / "a.py") == 6
    assert lines_of_code(tmp_path / "b.sh") == 2


def test_cost_of_a_file_is_counted_by_hand(tmp_path: Path) -> None:
    """A 3x3 convolution of 2 to 4 channels in two groups, then four to three answers; zeros are work like the rest."""
    kernel, weights = np.ones((4, 1, 3, 3), np.float32), np.ones((3, 4), np.float32)
    kernel[0] = 0
    given = {"kernel": kernel, "bias": np.ones(4, np.float32), "weights": weights, "unused": np.ones(9, np.float32)}
    nodes = [
        helper.make_node("Conv", ["images", "kernel", "bias"], ["maps"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["maps"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["logits"], transB=1),
    ]
    images, logits = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", [1, 2, 8, 8]), ("logits", [1, 3]))
    )
    arrays = [numpy_helper.from_array(array, name) for name, array in given.items()]
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [images], [logits], arrays)), path)
    cost = file_cost(path)
    assert cost.macs == 4 * 4 * 36 + 12
    assert cost.params == 36 + 4 + 12
    assert cost.zeros == 9
    assert cost.num_bytes == path.stat().st_size


def test_a_process_ends_well_or_with_its_last_words(tmp_path: Path) -> None:
    """Time is processor time of the process and its own; a failure keeps the last line."""
    work = "import sys; sum(range(10**6)); print('last', file=sys.stderr); sys.exit({})"
    done = finished([sys.executable, "-c", work.format(0)], folder=tmp_path, environment={})
    assert done.is_done
    assert 0 < done.seconds < 60
    failed = finished([sys.executable, "-c", work.format("'why'")], folder=tmp_path, environment={})
    assert not failed.is_done
    assert failed.last_words == "why"


def test_versions_are_those_of_the_environment() -> None:
    """What is not installed there is left out."""
    found = installed(Path(sys.executable), ("torch-pruning", "no-such-distribution"))
    assert list(found) == ["torch-pruning"]


def test_parts_are_named_once_and_have_scripts() -> None:
    """Every script is there, ours runs first, and the cheap attackers run before and after the dear one."""
    names = [part.name for part in (*SLIM, *ATTACKS)]
    assert len(set(names)) == len(names)
    assert all(part.path.is_file() for part in (*SLIM, *ATTACKS))
    assert SLIM[0].name == "ours"
    assert ROUNDS.count("full") == 1
    assert all(ROUNDS.index(name) < ROUNDS.index("full") < len(ROUNDS) - 1 for name in set(ROUNDS) - {"full"})


def test_images_to_choose_by_are_no_training_images(tmp_path: Path) -> None:
    """Training and choosing share no file, each class gives as many, and test comes along whole."""
    for split, num in (("train", 9), ("test", 2)):
        for name in ("ant", "bee"):
            (tmp_path / "cifar" / split / name).mkdir(parents=True)
            for number in range(num):
                Image.new("RGB", (2, 2)).save(tmp_path / "cifar" / split / name / f"{number}.jpg")
    made = small_tree(tmp_path / "cifar", tmp_path / "made", num_train=6, num_select=4)
    files = {
        split: {path.relative_to(made / split) for path in (made / split).glob("*/*")}
        for split in ("train", "val", "test")
    }
    assert not files["train"] & files["val"]
    assert [sum(path.parent.name == "bee" for path in files[split]) for split in files] == [3, 2, 2]
    assert [len(each) for each in files.values()] == [6, 4, 4]
