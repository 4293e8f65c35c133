"""A real process, killed for good in the middle of a battery: what is left is enough to end as if nothing had been."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from certify_fakes import answered_by, bent, run

from compressor.attacks.threat import parse_threat
from compressor.records import dump

LONG = """
[[attack]]
name = "fgsm"
[[attack]]
name = "apgd"
num_steps = 100
[[attack]]
name = "square"
num_queries = 150
"""

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {fakes!r})
from certify_fakes import answered_by, bent, run
from compressor.attacks.threat import parse_threat
from compressor.records import dump
slim = bent()
certificate, outcomes = run(
    slim, answered_by(slim, num=120), threats=[parse_threat("linf:2/255")], battery=Path({battery!r}), batch_size=8,
    state=Path({state!r}),
)
Path({result!r}).write_bytes(dump(certificate.result) + outcomes.to_bytes())
"""


@pytest.mark.slow
def test_kill_9_loses_at_most_a_flight(tmp_path: Path) -> None:
    """Killed three times, each as soon as another few flights have landed; the last run ends with the same bytes."""
    battery, state, result = tmp_path / "long.toml", tmp_path / "state", tmp_path / "result"
    battery.write_text(LONG)
    code = SCRIPT.format(fakes=str(Path(__file__).parent), battery=str(battery), state=str(state), result=str(result))
    script = tmp_path / "run.py"
    script.write_text(code)
    landed = [0]
    for _ in range(3):
        process = subprocess.Popen([sys.executable, str(script)])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if len(list(state.rglob("*.npz"))) >= landed[-1] + 4:
                break
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        landed.append(len(list(state.rglob("*.npz"))))
    assert landed == sorted(set(landed))  # nothing that had landed was lost
    subprocess.run([sys.executable, str(script)], check=True)
    slim = bent()
    certificate, outcomes = run(
        slim, answered_by(slim, num=120), threats=[parse_threat("linf:2/255")], battery=battery, batch_size=50
    )
    ours = certificate.result
    assert result.read_bytes() == dump(ours) + outcomes.to_bytes()
