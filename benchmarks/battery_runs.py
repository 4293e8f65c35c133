"""One battery on one model, counted and timed: ours, and the two of torchattacks as people run them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.battery_models import SEED, Subject
from benchmarks.battery_row import Answer, packed
from compressor.attacks.ball import Ball
from compressor.attacks.threat import Threat
from compressor.certify.battery import digest_of_attacks, read_battery
from compressor.certify.certificate import AttackResult
from compressor.certify.certify import certify
from compressor.certify.fights import inspected, plain_fights
from compressor.certify.fleet import Fleet
from compressor.certify.siege import Siege
from compressor.certify.work import answer_clean, party, work_on
from compressor.files import canonical_json, sha256_of_bytes
from compressor.gate.policy import demands_of, read_policy, threats_of
from compressor.progress import SILENT
from compressor.types import Norm

CONFIDENCE = 0.95
DECIDING = "standard --decide"
PGD_40 = "torchattacks PGD-40"
AUTOATTACK = "torchattacks AutoAttack"
PEERS = (PGD_40, AUTOATTACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and how wide to compute."""

    device: str = "cpu"
    threads: int = 1


@dataclass(slots=True, kw_only=True)
class Clock:
    """How long something took."""

    seconds: list[float] = field(default_factory=list)
    wall_seconds: list[float] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take the time of a block."""
        begin, wall = time.process_time(), time.perf_counter()
        yield
        self.seconds.append(round(time.process_time() - begin, 2))
        self.wall_seconds.append(round(time.perf_counter() - wall, 2))


def digest_of(battery: str, threat: Threat, *, policy: Path) -> str:
    """Return the digest of what runs under a name now, for a model of ten classes."""
    if battery in PEERS:
        return sha256_of_bytes(canonical_json({"threat": str(threat), **_peer_settings(battery, threat)}))
    name = "standard" if battery == DECIDING else battery
    attacks = digest_of_attacks(read_battery(name).fitted(threat, 10), threat)
    return attacks if battery != DECIDING else sha256_of_bytes(attacks.encode() + policy.read_bytes())


def run(subject: Subject, threat: Threat, battery: str, *, machine: Machine, state: Path | None = None) -> Answer:
    """Attack a model with `quick`, `standard` or `full`, and then ask whether the attacks were fooled.

    Args:
        subject: model and images.
        threat: norm and radius.
        battery: its name.
        machine: where to compute.
        state: folder for the state; a run that goes on from there has no times.
    """
    is_fresh, clock, checks = state is None or not state.exists(), Clock(), Clock()
    work = work_on(subject.images, seed=SEED, device=machine.device, fleet=Fleet(256), state=state, progress=SILENT)
    one = party("model", subject.checkpoint, None, device=machine.device, threads=machine.threads)
    with one.twins:
        with clock.running():
            reply = answer_clean(work, one)
            (fight,) = plain_fights(work, (one, reply), None, threats=[threat], battery=read_battery(battery))
        siege, model = fight.slim, one.twins.model
        spent = siege.num_forward + len(work.images), siege.num_backward
        before = model.num_forward, model.num_backward
        with checks.running():
            (fight,) = inspected(work, (one, reply), [fight], audit=0, confidence=CONFIDENCE)
        preflight = model.num_forward - before[0], model.num_backward - before[1]
    return Answer(
        battery=battery,
        sha256=fight.attacks_sha256,
        attacks=_results(siege),
        standing=packed(siege.stands),
        num_forward=spent[0],
        num_backward=spent[1],
        preflight_forward=preflight[0],
        preflight_backward=preflight[1],
        flags=tuple(flag.id for flag in fight.flags),
        seconds=tuple(clock.seconds) if is_fresh else (),
        wall_seconds=tuple(clock.wall_seconds) if is_fresh else (),
        preflight_seconds=tuple(checks.seconds),
    )


def run_deciding(subject: Subject, threat: Threat, policy: Path, *, machine: Machine) -> Answer:
    """Attack images with `standard` until it is certain whether the policy's demands hold."""
    read, clock = read_policy(policy), Clock()
    assert threats_of(read) == (threat,)
    with clock.running():
        certificate, outcomes = certify(
            subject.checkpoint,
            subject.images,
            threats=[threat],
            data_spec=subject.where,
            demands=demands_of(read),
            device=machine.device,
            params=1,
            macs=1,
        )
    found = certificate.result.threats[0]
    stands = np.asarray(outcomes.threats[0].slim == -1, dtype=np.bool_)
    return Answer(
        battery=DECIDING,
        sha256=digest_of(DECIDING, threat, policy=policy),
        attacks=found.attacks,
        standing=packed(stands),
        num_forward=found.num_forward,
        num_backward=found.num_backward,
        flags=tuple(flag.id for flag in found.flags),
        seconds=tuple(clock.seconds),
        wall_seconds=tuple(clock.wall_seconds),
        num_looked_at=found.decided_after,
    )


def run_peer(subject: Subject, threat: Threat, peer: str, *, machine: Machine) -> Answer:
    """Attack a model with torchattacks as its documentation shows it: all images in one batch.

    What comes back is clipped to the ball and judged, so that no image counts as broken that left it.
    """
    import torchattacks

    settings, clock = _peer_settings(peer, threat), Clock()
    counted = _Counted(subject.checkpoint.classifier().to(machine.device).eval())
    images = subject.images.read(range(len(subject.images))).to(machine.device)
    labels = torch.from_numpy(subject.images.labels).to(machine.device)
    with clock.running(), torch.random.fork_rng():
        torch.manual_seed(SEED)
        right = _answers(counted, images) == labels
        attack = getattr(torchattacks, str(settings.pop("name")))(counted, **settings)
        found = Ball(images, threat).project(attack(images, labels).detach())
        stands = right & (_answers(counted, found) == labels)
    num = int(right.sum())
    return Answer(
        battery=peer,
        sha256=sha256_of_bytes(canonical_json({"threat": str(threat), **_peer_settings(peer, threat)})),
        attacks=(
            AttackResult(
                name=peer.split()[1], settings=settings, num_attempted=num, num_broken=num - int(stands.sum())
            ),
        ),
        standing=packed(stands.cpu().numpy()),
        num_forward=counted.num_forward,
        num_backward=counted.num_backward,
        seconds=tuple(clock.seconds),
        wall_seconds=tuple(clock.wall_seconds),
    )


def _peer_settings(peer: str, threat: Threat) -> dict[str, str | int | float | bool]:
    norm = "Linf" if threat.norm is Norm.LINF else "L2"
    if peer == AUTOATTACK:
        return {
            "name": "AutoAttack",
            "norm": norm,
            "eps": threat.radius,
            "version": "standard",
            "n_classes": 10,
            "seed": 0,
        }
    assert threat.norm is Norm.LINF
    step = threat.radius / 4
    return {"name": "PGD", "eps": threat.radius, "alpha": step, "steps": 40, "random_start": True}


def _results(siege: Siege) -> tuple[AttackResult, ...]:
    left, found = int(siege.ground.is_right.sum()), []
    for number, attack in enumerate(siege.attacks):
        broken = int((siege.broken_by == number).sum())
        found.append(AttackResult(name=attack.name, settings=attack.settings, num_attempted=left, num_broken=broken))
        left -= broken
    return tuple(found)


class _Counted(nn.Module):
    """A classifier that counts the images that pass through it, forwards and backwards."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier
        self.num_forward = 0
        self.num_backward = 0

    def forward(self, images: Tensor) -> Tensor:
        """Answer images (n, C, H, W) with logits (n, K)."""
        self.num_forward += len(images)
        logits: Tensor = self.classifier(images)
        if logits.requires_grad:
            logits.register_hook(self._count)  # type: ignore[no-untyped-call]
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.num_backward += len(gradient)


def _answers(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        answers: Tensor = model(images).argmax(1)
    return answers
