"""Wrong input, as people really give it: one clear sentence, what to do, exit 2, nothing written."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.app import run
from compressor.corruptions.table import PUBLISHED
from compressor.data import parse_preprocess
from compressor.load import build, load, save_slim
from compressor.prune import plan
from compressor.records import dump

FINE_POLICY = 'schema = "compress.policy/1"\n[accuracy]\nmin = 0.5\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a fine checkpoint and every broken input of the table."""
    here = tmp_path_factory.mktemp("inputs")
    torch.manual_seed(0)
    network = build("cifar:resnet8", num_classes=10, in_channels=1)
    torch.save(network.state_dict(), here / "plain.pt")
    dense = load(network, arch="cifar:resnet8", preprocess=parse_preprocess("none"), input_size=(8, 8))
    save_slim(dense, here / "fine.safetensors")
    made = plan(dense, ratio=0.5)
    (here / "plan.json").write_bytes(dump(made))
    (here / "version.json").write_bytes(dump(made).replace(b"compress.plan/1", b"compress.plan/0"))
    (here / "twice.json").write_bytes(dump(dataclasses.replace(made, groups=(*made.groups, made.groups[0]))))
    tampered = dataclasses.replace(made, after=dataclasses.replace(made.after, params=1))
    (here / "tampered.json").write_bytes(dump(tampered))
    (here / "a-folder").mkdir()
    (here / "empty.pt").write_bytes(b"")
    (here / "random.pt").write_bytes(bytes(range(256)) * 20)
    (here / "truncated.pt").write_bytes((here / "plain.pt").read_bytes()[:5000])
    (here / "truncated.safetensors").write_bytes((here / "fine.safetensors").read_bytes()[:5000])
    torch.save(network, here / "module.pt")
    (here / "evil.pt").write_bytes(pickle.dumps(_Evil(here / "executed")))
    torch.save({"a.weight": torch.zeros(3, 3), "b.bias": torch.zeros(7)}, here / "strange.pt")
    torch.save({"note": "no tensors"}, here / "words.pt")
    (here / "empty-data").mkdir()
    images = np.zeros((20, 1, 8, 8), dtype=np.uint8)
    np.savez(here / "labels.npz", x_test=images, y_test=np.full(20, 10))
    np.savez(here / "channels.npz", x_test=np.zeros((20, 8, 8, 3), np.uint8), y_test=np.zeros(20, np.int64))
    np.savez(here / "size.npz", x_test=np.zeros((20, 1, 9, 9), np.uint8), y_test=np.zeros(20, np.int64))
    np.savez(here / "lengths.npz", x_test=images, y_test=np.zeros(19, np.int64))
    np.savez(here / "range.npz", x_test=images.astype(np.float32) + 200, y_test=np.zeros(20, np.int64))
    answer = int(dense.classifier()(torch.zeros(1, 1, 8, 8)).argmax())
    np.savez(here / "test-only.npz", x_test=images, y_test=np.full(20, answer))
    (here / "fine.toml").write_text(FINE_POLICY)
    (here / "empty.toml").write_text("")
    (here / "parity.toml").write_text('schema = "compress.policy/1"\n[parity]\nmin_agreement = 0.99\n')
    (here / "unknown.toml").write_text(FINE_POLICY + "maximum = 3\n")
    (here / "percent.toml").write_text(FINE_POLICY.replace("0.5", "50"))
    (here / "script.py").write_text("import sys\n\n\ndef make():\n    return 1\n\n\nsys.exit(0)\n")
    (here / "record.json").write_text('{"schema": "compress.parity/1"}')
    (here / "in-the-way").write_text("a file")
    (here / "other-arrays").mkdir()
    for name in ("labels", *PUBLISHED):
        np.save(here / "other-arrays" / f"{name}.npy", np.zeros(3, np.uint8))
    return here


class _Evil:
    """A pickle that would leave a file behind if anything in it were called."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


CASES = [
    ("prune absent.pt --ratio 0.5", "absent.pt"),
    ("prune a-folder --ratio 0.5", "folder"),
    ("prune empty.pt --ratio 0.5", "empty"),
    ("prune random.pt --ratio 0.5", "random.pt"),
    ("prune truncated.pt --ratio 0.5", "truncated.pt"),
    ("prune truncated.safetensors --ratio 0.5", "truncated.safetensors"),
    ("prune module.pt --ratio 0.5", "--trust-pickle"),
    ("prune evil.pt --ratio 0.5", "--trust-pickle"),
    ("prune strange.pt --ratio 0.5", "a.weight"),
    ("prune words.pt --ratio 0.5", "words.pt"),
    ("prune plain.pt --arch script.py:make --ratio 0.5", "--arch script.py:make failed: SystemExit: 0"),
    ("finetune fine.safetensors --data script.py:make", "importing script.py failed: SystemExit: 0"),
    ("prune plain.pt --arch torchvision:resnet18 --ratio 0.5", "layer1.1.conv1"),
    ("prune plain.pt --arch torchvision:resnet81 --ratio 0.5", "resnet18"),
    ("prune plain.pt --arch nonsense --ratio 0.5", "nonsense"),
    ("prune fine.safetensors", "--target-latency 2ms, --plan plan.json"),
    ("prune fine.safetensors --ratio 0", "0"),
    ("prune fine.safetensors --ratio 1", "1"),
    ("prune fine.safetensors --ratio -0.5", "-0.5"),
    ("prune fine.safetensors --ratio 50", "0.5"),
    ("prune fine.safetensors --ratio half", "--ratio"),
    ("prune fine.safetensors --ratio nan", "nan"),
    ("prune fine.safetensors --ratio 0.5 --target-macs 0.5", "--ratio and --target-macs were given"),
    ("prune fine.safetensors --target-macs 5Q", "5Q"),
    ("prune fine.safetensors --ratio 0.5 --steps 0", "--steps"),
    ("prune fine.safetensors --ratio 0.5 --steps 3 --plan-only", "no one plan beforehand"),
    ("prune fine.safetensors --target-bytes 0.5 --steps 3", "--target-macs"),
    ("certify fine.safetensors --data test-only.npz --decide nowhere.toml", "nowhere.toml"),
    ("certify fine.safetensors --data test-only.npz --decide parity.toml", "nothing to decide"),
    ("certify fine.safetensors --data test-only.npz --prove", "no threat is named"),
    ("certify fine.safetensors --data test-only.npz --audit 20", "no threat is named"),
    ("certify fine.safetensors --data test-only.npz --battery full", "--battery would do nothing: no threat is named"),
    ("release fine.safetensors --data digits --policy fine.toml --ratio 0.5 --audit 20", "no threat is named"),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --audit 20", "no threat is named"),
    ("release fine.safetensors --data digits --policy fine.toml --ratio 0.5 --prove", "no threat is named"),
    ("certify fine.safetensors --data test-only.npz --corruptions-from nowhere", "nowhere is not a folder"),
    ("certify fine.safetensors --data test-only.npz --corruptions-from a-folder", "labels.npy, gaussian_noise.npy"),
    ("certify fine.safetensors --data test-only.npz --corruptions-from other-arrays", "3x32x32 in 10 classes"),
    ("prune fine.safetensors --target-macs 10", "smallest reachable"),
    ("prune fine.safetensors --target-params 1.5MB", "MB"),
    ("prune fine.safetensors --target-bytes 5parsecs", "5parsecs"),
    ("prune fine.safetensors --target-bytes 0", "0.5 (of dense) or 1.5MB"),
    ("prune fine.safetensors --target-bytes 1", "all or nothing"),
    ("prune fine.safetensors --target-bytes -2MB", "-2MB"),
    ("prune fine.safetensors --target-latency 0", "0.5 (of the dense model's latency) or 2ms"),
    ("prune fine.safetensors --target-latency 2", "did you mean 2ms?"),
    ("prune fine.safetensors --target-latency 2parsecs", "2parsecs"),
    ("prune fine.safetensors --target-latency nan", "nan"),
    ("prune fine.safetensors --target-latency 2ms --provider npu", "npu"),
    ("prune fine.safetensors --target-bytes 0.5 --target-latency 2ms", "--target-latency"),
    ("prune fine.safetensors --ratio 0.5 --global --isomorphic", "--isomorphic"),
    ("prune fine.safetensors --ratio 0.5 --structure blocks --block-criterion magic", "magic"),
    ("prune fine.safetensors --ratio 0.5 --criterion l3", "l1"),
    ("prune fine.safetensors --ratio 0.5 --structure atoms", "atoms"),
    ("prune fine.safetensors --ratio 0.5 --keep nothing.*", "nothing.*"),
    ("prune fine.safetensors --ratio 0.5 --ratio-for layer1=2", "layer1=2"),
    ("prune fine.safetensors --ratio 0.5 --keep bn1", "conv1"),
    ("prune fine.safetensors --ratio 0.5 --ratio-for linear=0.2", "linear gives the model's answers"),
    ("prune fine.safetensors --ratio 0.5 --structure blocks --keep conv1", "layer1.0"),
    ("prune fine.safetensors --ratio 0.5 --structure blocks --criterion l2", "no filters leave"),
    ("prune fine.safetensors --ratio 0.5 --structure blocks --ratio-for layer1=0.2", "--ratio-for would do nothing"),
    ("prune fine.safetensors --ratio 0.5 --structure blocks --round-to 8", "--round-to would do nothing"),
    ("prune fine.safetensors --ratio 0.5 --structure blocks --global", "--global would do nothing"),
    ("prune fine.safetensors --ratio 0.5 --structure blocks --isomorphic", "--isomorphic would do nothing"),
    ("prune fine.safetensors --ratio 0.5 --block-criterion l1", "no blocks leave"),
    ("prune fine.safetensors --ratio 0.5 --structure filters --block-criterion l1", "--structure both"),
    *(
        (f"{command} --plan plan.json {words}", f"{words.split()[0]} would do nothing: --plan says")
        for command in (
            "prune fine.safetensors",
            "release fine.safetensors --data digits --policy fine.toml",
        )
        for words in (
            *("--criterion l2", "--structure blocks", "--keep layer1", "--global", "--isomorphic", "--round-to 8"),
            *("--ratio-for layer1=0.2", "--block-criterion l1"),
        )
    ),
    ("release fine.safetensors --data digits --policy fine.toml --ratio 0.5 --block-criterion l1", "no blocks leave"),
    ("prune fine.safetensors --ratio 0.5 --epochs 3", "--epochs would do nothing"),
    ("prune fine.safetensors --ratio 0.5 --lr 0.1", "--lr would do nothing"),
    ("prune fine.safetensors --ratio 0.5 --adversarial linf:2/255", "--adversarial would do nothing"),
    ("prune fine.safetensors --ratio 0.5 --data digits --plan-only --epochs 3", "--plan-only stops before"),
    ("prune fine.safetensors --plan version.json", "schema: input should be 'compress.plan/1'"),
    ("prune fine.safetensors --plan twice.json", "names group 'conv1' twice"),
    ("prune fine.safetensors --plan tampered.json", "parameters, the plan said 1"),
    ("prune fine.safetensors --ratio 0.5 --output a.onnx", ".safetensors or .pt"),
    ("prune fine.safetensors --ratio 0.5 --output a.th", "ends in .th"),
    ("prune fine.safetensors --ratio 0.5 --output plan.json", "ends in .json"),
    ("prune fine.safetensors --ratio 0.5 --plan-only --output a.safetensors", "end it in .json"),
    ("prune fine.safetensors --ratio 0.5 --device tpu", "tpu"),
    ("prune fine.safetensors --ratio 0.5 --device cuda:9", "cuda:9"),
    ("prune fine.safetensors --ratio 0.5 --input-size 8by8", "8by8"),
    ("prune fine.safetensors --ratio 0.5 --plan absent.json", "--plan"),
    ("prune fine.safetensors --plan absent.json", "absent.json"),
    ("prune fine.safetensors --plan record.json", "record.json"),
    ("prune fine.safetensors --ratio 0.5 --output in-the-way/deeper", "in-the-way"),
    ("prune fine.safetensors --ratio 0.5 --data empty-data", "empty-data"),
    ("prune fine.safetensors --ratio 0.5 --data digitz", "digits"),
    ("prune fine.safetensors --ratio 0.5 --labels absent.txt", "absent.txt"),
    ("prune fine.safetensors --ration 0.5", "--ratio"),
    ("prun fine.safetensors", "prune"),
    ("inspect fine.safetensors --sensitivity", "--data"),
    ("inspect fine.safetensors --sensitivity --data test-only.npz", "select images"),
    ("inspect plain.pt --arch cifar:resnet8 --sensitivity --data digits", "--preprocess"),
    ("inspect fine.safetensors --sensitivity --data digits --criterion l3", "l1"),
    ("inspect fine.safetensors --sensitivity --data digits --threat l1:1", "'l1'"),
    ("inspect fine.safetensors --sensitivity --data digits --threat linf:8", "linf:8/255"),
    ("inspect fine.safetensors --sensitivity --data digits --threat l2:1 --threat linf:1/9", "one --threat"),
    ("inspect fine.safetensors --sensitivity --data digits --num-images 0", "num-images"),
    ("inspect fine.safetensors --sensitivity --data digits --output drawing.png", ".svg"),
    ("inspect fine.safetensors --output drawing.svg", "--sensitivity"),
    ("finetune fine.safetensors", "--data"),
    ("finetune fine.safetensors --data labels.npz", "label 10"),
    ("finetune plain.pt --arch cifar:resnet8 --data digits", "--preprocess"),
    ("finetune fine.safetensors --data digits --preprocess zebra", "zebra"),
    ("finetune fine.safetensors --data digits --lr -1", "lr"),
    ("finetune fine.safetensors --data digits --distill", "--distill-from"),
    ("finetune fine.safetensors --data digits --adversarial linf:8", "linf:8/255"),
    ("export fine.safetensors --opset 3", "opset"),
    ("export fine.safetensors --export-batch many", "many"),
    ("export random.pt", "random.pt"),
    ("certify fine.safetensors --data channels.npz", "channel"),
    ("certify fine.safetensors --data size.npz", "9x9"),
    ("certify fine.safetensors --data lengths.npz", "19"),
    ("certify fine.safetensors --data range.npz", "[0, 1]"),
    ("certify fine.safetensors --data digits", "near chance"),
    ("certify fine.safetensors --data digits --threat l7:1", "l7"),
    ("certify fine.safetensors --data digits --threat linf:8/0", "zero"),
    ("certify fine.safetensors --data digits --battery weak", "standard"),
    ("certify a-folder --data digits", "model.onnx"),
    ("bench fine.safetensors --provider cuda", "cuda"),
    ("bench fine.safetensors --provider npu", "npu"),
    ("bench fine.safetensors --threads 0", "threads"),
    ("gate --policy fine.toml", "evidence"),
    ("gate record.json", "--policy"),
    ("gate record.json --policy fine.toml", "record.json"),
    ("gate absent.json --policy fine.toml", "absent.json"),
    ("gate a-folder --policy fine.toml", "a-folder"),
    ("gate record.json --policy absent.toml", "absent.toml"),
    ("gate record.json --policy empty.toml", "empty.toml"),
    ("gate record.json --policy unknown.toml", "maximum"),
    ("gate record.json --policy percent.toml", "0.5"),
    ("gate --explain nonsense", "nonsense"),
    ("release fine.safetensors --data digits --ratio 0.5", "--policy"),
    ("release fine.safetensors --data digits --ratio 0.5 --policy empty.toml", "empty.toml"),
    ("release fine.safetensors --data digits --ratio 0.5 --policy fine.toml --time-limit soon", "soon"),
    ("release fine.safetensors --data digits --ratio 0.5 --policy fine.toml --unsafe-accept x", "--because"),
    ("search fine.safetensors --data digits --policy fine.toml", "--minimise"),
    ("search fine.safetensors --data digits --minimise macs", "--policy"),
    ("search fine.safetensors --data digits --policy fine.toml --minimise size", "'size'"),
    ("search fine.safetensors --data digits --policy empty.toml --minimise macs", "empty.toml"),
    ("search fine.safetensors --data test-only.npz --policy fine.toml --minimise macs", "training images"),
    ("search fine.safetensors --data test-only.npz --policy fine.toml --minimise macs --dry-run", "training images"),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --trials 0", "--trials"),
    (
        "search fine.safetensors --data digits --policy fine.toml --minimise macs --trials 5 --budget 2h",
        "--budget and --trials",
    ),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --budget soon", "--budget 'soon'"),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --budget 0s", "above zero"),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --workers 0", "--workers"),
    (
        "search fine.safetensors --data digits --policy fine.toml --minimise macs --storage nonsense",
        "--storage nonsense cannot be opened",
    ),
    (
        "search fine.safetensors --data digits --policy fine.toml --minimise macs --storage sqlite:///record.json",
        "not a database",
    ),
    (
        "search fine.safetensors --data digits --policy fine.toml --minimise macs --storage sqlite:///in-the-way/a.db",
        "unable to open",
    ),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --criterion l3", "l1"),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --ratio 0.5", "--ratio"),
    (
        "search fine.safetensors --data digits --policy fine.toml --minimise macs --structure blocks --criterion l2",
        "no filters leave",
    ),
    ("search fine.safetensors --data digits --policy fine.toml --minimise macs --prove", "no threat is named"),
    ("verify a-folder", "a-folder"),
    ("verify absent", "absent"),
    ("report absent", "absent"),
    ("config nonsense", "nonsense"),
    ("doctor --config absent.toml", "absent.toml"),
]


@pytest.mark.parametrize(("line", "part"), CASES, ids=[line for line, _ in CASES])
def test_bad_input_teaches(
    line: str, part: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, one sentence that names what is wrong, no traceback, and nothing left behind."""
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.rglob("*"))
    assert run([*line.split(), "--quiet"] if not line.startswith("prun fine") else line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert part in shown.err
    assert "Traceback" not in shown.err
    assert "Value error" not in shown.err
    assert len(shown.err) < 900
    assert sorted(path.name for path in folder.rglob("*")) == before
