"""A made-up release for every format: rejected, with one waived condition, a flag and awkward names."""

from dataclasses import replace

import pytest
from made_up import CREATED, FLAG, LATER, certificate, latency, parity, threat_result

from compressor.certify.certificate import Artefact, Certificate
from compressor.gate import evidence_of, judge, parse_policy
from compressor.gate.verdict import Verdict
from compressor.report import EpochPoint, InputFacts, LayerWidth, ModelSize, Sample, Summary, summarise
from compressor.report.png import png

POLICY = """\
[accuracy]
min = 0.80
max_drop = 0.01
[[robustness]]
threat = "linf:1/255"
min = 0.58
[[robustness]]
threat = "linf:2/255"
min = 0.45
[size]
max_bytes = "300KB"
[[latency]]
max_ratio_p50 = 0.6
[evidence]
battery = "standard"
min_images = 1000
[waivers]
allowed = ["size.max_bytes"]
expires = "2027-01-01"
"""


def made_certificate() -> Certificate:
    """Return the slim model's certificate, with a flag at linf:2/255."""
    first = threat_result("1/255", robust_accuracy=0.62, interval=(0.589, 0.65))
    return certificate(threats=(first, threat_result(flags=(FLAG,))))


def made_sample(**changes: object) -> Sample:
    """Return two rows of two pixels that broke the file."""
    made = Sample(
        threat="linf:2/255",
        label="cat",
        clean_answer="cat",
        answer="dog",
        clean=png(bytes(range(12)), height=2, width=2),
        perturbed=png(bytes(range(2, 14)), height=2, width=2),
        difference=png(bytes([255] * 12), height=2, width=2),
        gain=63.75,
        height=2,
        width=2,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def verdict() -> Verdict:
    """Return a verdict with every decision in it."""
    evidence = evidence_of(certificate=made_certificate(), parity=parity(), latency=[latency()])
    return judge(parse_policy(POLICY, "policies/edge_*.toml"), evidence, now=LATER)


@pytest.fixture
def summary(verdict: Verdict) -> Summary:
    """Return everything there is to say about it."""
    control = certificate(
        threats=(threat_result("1/255", robust_accuracy=0.6, interval=(0.569, 0.63)),),
        artefact=Artefact(kind="torch", sha256="99" * 32),
        model=replace(certificate().result.model, params=269_722, macs=40_813_184),
        clean_accuracy=0.872,
        clean_interval=(0.8497, 0.8921),
    )
    return summarise(
        name="resnet20 | <slim>",
        created=CREATED,
        certificate=made_certificate(),
        parity=parity(),
        latency=latency(),
        verdict=verdict,
        dense=ModelSize(params=269_722, macs=40_813_184, num_bytes=1_084_112),
        control=control,
        layers=[
            LayerWidth(name="conv1", before=16, after=8),
            LayerWidth(name="layer1.0.conv1", before=16, after=8),
            LayerWidth(name="layer2.1.conv1", before=32, after=17),
            LayerWidth(name="layer3.2.conv1", before=64, after=0),
        ],
        epochs=[
            EpochPoint(number=0, loss=None, train_accuracy=None, select_accuracy=0.312),
            EpochPoint(number=1, loss=0.8123, train_accuracy=0.712, select_accuracy=0.801),
            EpochPoint(number=2, loss=0.5532, train_accuracy=0.806, select_accuracy=0.834),
            EpochPoint(number=3, loss=0.4671, train_accuracy=0.838, select_accuracy=0.853),
        ],
        samples=[made_sample()],
        commands=[
            "compress release resnet20.th --arch cifar:resnet20 --data cifar10 --ratio 0.5 --policy p.toml",
            "compress verify exports/resnet20-a1a1a1a1",
        ],
        image=InputFacts(channels=3, height=32, width=32),
    )
