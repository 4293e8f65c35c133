"""Flights: the same answers however many are in the air, whoever computes them, and when memory runs out."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from certify_fakes import answered_by, bent, run

from compressor.attacks.chunks import Chunks
from compressor.attacks.threat import parse_threat
from compressor.certify.certificate import Certificate
from compressor.certify.fleet import PASSES_PER_FLIGHT, USUAL_MACS, Fleet, most_at_once
from compressor.certify.state import Store
from compressor.errors import CertifyError, MachineError, is_out_of_memory
from compressor.records import dump, parse
from compressor.runtime.crew import Crew

THREATS = [parse_threat("linf:3/255"), parse_threat("l2:0.2")]
HOME = Store(None, {})


class Heard:
    """A listener that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Remember a sentence."""
        self.said.append(message)


def rows_of(arrays):
    """Return what a flight was about."""
    return arrays["rows"].tolist()


def test_a_flight_that_does_not_fit_is_halved() -> None:
    """Every image is computed once, in flights that fit; it is said once for each halving, and remembered."""
    tried: list[int] = []

    def compute(rows):
        tried.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return {"rows": rows}

    heard = Heard()
    fleet = Fleet(12, progress=heard)
    landed = list(fleet.fly(HOME, "", np.arange(20), compute, lambda: False))
    assert [row for arrays in landed for row in rows_of(arrays)] == list(range(20))
    assert tried == [12, 6, 3, 3, 3, 3, 3, 3, 2]
    assert fleet.in_flight == 3
    assert [sentence.split(":")[0] for sentence in heard.said] == ["out of memory", "out of memory"]


def test_one_image_that_does_not_fit_is_refused_once_nothing_can_be_relieved() -> None:
    """First whatever a single image takes is made smaller, then it is the machine that cannot."""
    relief = [True, True, False]

    def compute(rows):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    with pytest.raises(MachineError, match="single image"):
        list(Fleet(1).fly(HOME, "", np.arange(2), compute, lambda: relief.pop(0)))
    assert relief == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_only_memory_counts_as_memory(error, expected) -> None:
    """Another error in a flight is not answered by trying again."""
    assert is_out_of_memory(error) is expected


class Hungry(torch.nn.Module):
    """A network that runs out of memory on its `at`-th pass."""

    def __init__(self, model: torch.nn.Module, at: int) -> None:
        super().__init__()
        self.model, self.left = model, at

    def forward(self, images):
        """Answer, but once."""
        self.left -= 1
        if self.left == 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.model(images)


def test_running_out_of_memory_changes_no_result() -> None:
    """Wherever it happens during the attacks; and the certificate says how many images were in flight at the end."""
    slim = bent()
    images = answered_by(slim, num=40)
    plain, _ = run(slim, images, threats=THREATS, batch_size=16)
    for at in (2, 9, 30):
        hungry = Hungry(bent(), at)
        found, _ = run(hungry, images, threats=THREATS, batch_size=16)
        assert found.run.batch_size == 8
        assert [each.robust_accuracy for each in found.result.threats] == [
            each.robust_accuracy for each in plain.result.threats
        ]
        for one, other in zip(found.result.threats, plain.result.threats, strict=True):
            assert dump(one) == dump(other)


def test_long_attacks_fly_in_small_flights(tmp_path, monkeypatch) -> None:
    """A time limit is heeded between flights: fewer images share one where each takes many passes, to the same end."""
    from compressor.certify import fleet

    slim = bent()
    images = answered_by(slim, num=60)
    battery = tmp_path / "long.toml"
    battery.write_text('[[attack]]\nname = "fgsm"\n[[attack]]\nname = "square"\nnum_queries = 99\n')

    def flights(state) -> dict[str, int]:
        names = [path.name.partition("-")[0] for path in state.rglob("*-*.npz")]
        return {number: names.count(number) for number in sorted(set(names))}

    straight, _ = run(slim, images, threats=THREATS[:1], battery=battery, state=tmp_path / "one")
    monkeypatch.setattr(fleet, "PASSES_PER_FLIGHT", 1600)
    small, _ = run(slim, images, threats=THREATS[:1], battery=battery, state=tmp_path / "many")
    standing = small.result.threats[0].attacks[1].num_attempted
    assert flights(tmp_path / "one") == {"00": 1, "01": 1}
    assert flights(tmp_path / "many") == {"00": 1, "01": -(-standing // 16)}
    assert dump(small.result) == dump(straight.result)


def test_dear_models_fly_fewer_images_and_cheap_ones_as_many_as_before() -> None:
    """A flight holds as many multiply-adds for any model dearer than a ResNet-20, and a chunk per thread at least."""
    chunks = Chunks(16, device=torch.device("cpu"), threads=2)
    usual = PASSES_PER_FLIGHT // 100 // 16 * 16
    assert [most_at_once(100, chunks, macs=macs) for macs in (0, 1, USUAL_MACS)] == [usual] * 3
    assert most_at_once(100, chunks, macs=2 * USUAL_MACS) == PASSES_PER_FLIGHT // 200 // 16 * 16 < usual
    assert most_at_once(100, chunks, macs=1000 * USUAL_MACS) == 32


def test_a_dear_model_is_saved_more_often_to_the_same_end(tmp_path) -> None:
    """Both models of a pair, and the curve; resumed as a cheap model's run, nothing changes."""
    slim, dense = bent(), bent(17, seed=1)
    images = answered_by(slim, num=60)
    how = {"threats": THREATS[:1], "baseline": dense}

    def flights(state) -> int:
        return len(list(state.rglob("*.npz")))

    straight, _ = run(slim, images, state=tmp_path / "one", **how)
    heavy, _ = run(slim, images, state=tmp_path / "many", macs=10**12, **how)
    dear, _ = run(slim, images, state=tmp_path / "dense", baseline_macs=10**12, **how)
    assert flights(tmp_path / "one") < flights(tmp_path / "dense") < flights(tmp_path / "many")
    for path in sorted((tmp_path / "many").rglob("*.npz"))[::2]:
        path.unlink()
    resumed, _ = run(slim, images, state=tmp_path / "many", **how)
    ours = [replace(each.result, model=straight.result.model) for each in (heavy, dear, resumed)]
    assert {dump(each) for each in ours} == {dump(straight.result)}


def test_a_dear_models_curve_is_saved_more_often(tmp_path) -> None:
    """Its searches take as long as attacks do."""
    slim = bent()
    images = answered_by(slim, num=60)
    cheap, dear = (run(slim, images, state=tmp_path / str(macs), macs=macs)[0] for macs in (1, 10**12))
    cheap_flights, dear_flights = (len(list((tmp_path / str(macs)).rglob("*.npz"))) for macs in (1, 10**12))
    assert dear_flights > cheap_flights
    assert dear.result.curve == cheap.result.curve


def test_an_error_that_is_not_memory_is_passed_on() -> None:
    """A model that cannot take the images is the user's to mend."""

    class Wrong(torch.nn.Module):
        def forward(self, images):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(CertifyError, match="cannot take images"):
        run(Wrong(), answered_by(bent(), num=4), threats=THREATS)


def test_each_process_computes_its_share_and_sees_all(monkeypatch) -> None:
    """Flights go round the crew; a round has one flight for each, and every process lands all of them in order."""
    computed: dict[int, list[int]] = {0: [], 1: [], 2: []}

    def flown_by(rank: int) -> list[list[int]]:
        """Play the part of one process; the others' flights are computed on the spot."""
        fleet = Fleet(4, crew=Crew(rank=rank, size=3))
        flights = [list(range(start, min(start + 4, 22))) for start in range(0, 22, 4)]
        rounds = iter([flights[:3], flights[3:]])

        def gathered(_crew, own):
            whole = [[{"rows": np.array(flight)}] for flight in next(rounds)]
            if rank < len(whole):
                assert [rows_of(each) for each in own] == [rows_of(each) for each in whole[rank]]
            return [*whole, *([[]] * (3 - len(whole)))]

        def compute(rows):
            computed[rank] += rows.tolist()
            return {"rows": rows}

        monkeypatch.setattr(Crew, "gathered", gathered)
        return [rows_of(each) for each in fleet.fly(HOME, "", np.arange(22), compute, lambda: False)]

    ways = [flown_by(rank) for rank in range(3)]
    assert ways[0] == ways[1] == ways[2]
    assert [row for flight in ways[0] for row in flight] == list(range(22))
    assert sorted(row for rows in computed.values() for row in rows) == list(range(22))
    assert all(computed.values())


SHARED = """
import sys
from pathlib import Path
sys.path.insert(0, {fakes!r})
import torch
from certify_fakes import answered_by, bent, run
from compressor.attacks.threat import parse_threat
from compressor.records import dump
from compressor.runtime.crew import joined
slim = bent()
with joined() as crew:
    assert crew.size == 2
    certificate, outcomes = run(
        slim, answered_by(slim, num=50), baseline=bent(17, seed=1), batch_size=8, crew=crew, state=Path({state!r}),
        threats=[parse_threat("linf:3/255"), parse_threat("l2:0.2")], corruptions=False,
    )
folder = Path({out!r})
(folder / f"{{crew.rank}}.json").write_bytes(dump(certificate))
(folder / f"{{crew.rank}}.npz").write_bytes(outcomes.to_bytes())
"""


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path) -> None:
    """Started by torchrun, on the CPU: the same bytes in both, and those of one process."""
    fakes = str(__file__).rpartition("/")[0]
    script = tmp_path / "shared.py"
    script.write_text(SHARED.format(fakes=fakes, state=str(tmp_path / "state"), out=str(tmp_path)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    subprocess.run(torchrun, check=True, capture_output=True, timeout=300)
    slim = bent()
    alone, outcomes = run(
        slim, answered_by(slim, num=50), baseline=bent(17, seed=1), threats=THREATS, corruptions=False
    )
    for rank in (0, 1):
        found = parse((tmp_path / f"{rank}.json").read_bytes(), Certificate, source="test")
        assert found.run.processes == 2
        assert dump(found.result) == dump(alone.result)
        assert (tmp_path / f"{rank}.npz").read_bytes() == outcomes.to_bytes()
