"""Bundles of real files in every form that is exported: replayed alone, judged with their records, and verified."""

import re
from pathlib import Path

import pytest
from real_bundle import LOOSE, files_of, make, tiny_checkpoint
from replaying import replay

from cli.app import run
from compressor.bundle import write_bundle
from compressor.export.form import Form
from compressor.types import InputForm, Precision

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "form",
    [
        Form(precision=Precision.FP16),
        Form(precision=Precision.INT8),
        Form(input_form=InputForm.UINT8_NHWC),
        Form(precision=Precision.FP16, input_form=InputForm.UINT8_NHWC),
        Form(precision=Precision.INT8, input_form=InputForm.UINT8_NHWC, batch=4),
        Form(opset=17),
    ],
    ids=lambda form: f"{form.precision} {form.input_form} batch {form.batch} opset {form.opset}",
)
def test_a_bundle_in_that_form_is_replayed_judged_and_verified(
    form: Form, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 from each of the three; images between two bytes are named where the file takes bytes."""
    files, _ = files_of(make(*tiny_checkpoint(), form=form), LOOSE)
    bundle = write_bundle(tmp_path, "tiny", files, rejected=False, force=False)
    results = tmp_path / "results"
    batch = str(form.fixed_batch or 3)
    done = replay(bundle, "--batch", batch, "--runs", "10", "--output", str(results))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"adversarial images: 0 of [1-9]", done.stdout)
    assert ("lie between two bytes" in done.stdout) == (form.input_form is InputForm.UINT8_NHWC)
    evidence = [str(each) for each in (bundle, results / "parity.json", results / "latency.json")]
    assert run(["gate", *evidence, "--policy", str(bundle / "policy.toml"), "--quiet"]) == 0
    assert run(["verify", str(bundle), "--quiet"]) == 0, capsys.readouterr().out
    card = (bundle / "README.md").read_text()
    assert ("uint8 (n, 8, 8, 1)" in card) == (form.input_form is InputForm.UINT8_NHWC)
