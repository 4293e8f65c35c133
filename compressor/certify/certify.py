"""The verb: attack a model file with a battery, and conclude."""

import time
from collections.abc import Sequence, Set
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from compressor.attacks.threat import Threat
from compressor.certify.battery import read_battery
from compressor.certify.campaign import Campaign, fight_all, fight_until_certain, in_random_order
from compressor.certify.certificate import (
    SCHEMA,
    Certificate,
    DataFacts,
    ModelFacts,
    Result,
    Run,
    Searched,
    digest_of_result,
)
from compressor.certify.claim import claim_text
from compressor.certify.collect import outcomes_of
from compressor.certify.concluding import artefact_of, curve_flags, threat_results
from compressor.certify.corrupting import corruption_outcome, open_pictures
from compressor.certify.corruption_outcome import CorruptionOutcome
from compressor.certify.demand import Demands
from compressor.certify.fleet import Fleet
from compressor.certify.intervals import IntervalMethod, Intervals
from compressor.certify.outcomes import Outcomes, recompute
from compressor.certify.proving import proofs_of
from compressor.certify.refusing import check_auditing, check_demands, check_models, check_options, check_proving
from compressor.certify.work import Party, party, work_on
from compressor.corruptions.published import PublishedSet
from compressor.data.images import ImageSet
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.records import now, tool_version
from compressor.runtime.crew import ALONE, Crew
from compressor.runtime.machine import host, versions
from compressor.types import Role


def certify(
    model: Checkpoint,
    images: ImageSet,
    *,
    threats: Sequence[Threat],
    battery: str = "standard",
    artefact: bytes | None = None,
    baseline: Checkpoint | None = None,
    data_spec: str,
    duplicates: Set[str] = frozenset(),
    roles_used: tuple[Role, ...] = ("test",),
    audit: int = 0,
    demands: Demands | None = None,
    corruptions: bool = False,
    corruptions_from: Path | None = None,
    prove: bool = False,
    searched: Searched | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    device: str = "cpu",
    batch_size: int = 256,
    state: Path | None = None,
    crew: Crew = ALONE,
    params: int,
    macs: int,
    baseline_macs: int = 0,
    title: str = "slim",
    progress: Progress = SILENT,
) -> tuple[Certificate, Outcomes]:
    """Attack a model and say what share of its answers holds.

    Claim: the share of `images` that model and file answer right, and go on answering right under every attack of the
    battery within each threat. That bounds robust accuracy from above; the interval covers the sampling of images.
    `result` has the same bytes for any batch size, number of threads and processes, and interruption (on one CPU type
    and library set). The dense model goes through the same attacks on the same images with the same seeds; its
    adversarial images are then the first attack on the slim one, which so faces one attack more, never one less.

    Args:
        model: the slim checkpoint; gradients come from it.
        images: already sampled, at least one.
        threats: without any, the accuracy-against-epsilon curve is measured and nothing is claimed.
        battery: `quick`, `standard`, `full`, or the path of a TOML list.
        artefact: the ONNX file made from the model; without it the certificate is about the torch model.
        baseline: the model as delivered.
        data_spec: what the user wrote.
        duplicates: digests of the images that are byte-equal to a training image; those attacked are counted.
        roles_used: roles of the images.
        audit: run `full` on so many random survivors of each threat; needs one.
        demands: what is to be decided; images are then attacked in a random order only until that is certain, and all
            intervals are confidence sequences. None: all images are attacked.
        corruptions: corrupt and shift the images that were attacked, too.
        corruptions_from: folder of the CIFAR-10-C arrays; their pictures then take the place of corrupted images.
        prove: bound from below what no attack can break, and smooth under l2 threats; needs a threat.
        searched: that the model was chosen among others; told in the result, and in its claim.
        seed: of the attacks' random numbers.
        confidence: of every interval, in (0, 1).
        device: where torch computes.
        batch_size: images in flight; state is saved after each flight.
        state: folder for state; None keeps none.
        crew: the processes that share the work, each with the same arguments but for the device; changes no result.
        params: parameters of the model.
        macs: multiply-adds of one image.
        baseline_macs: of the baseline; 0: as many as the model's. They size what is computed and saved at a time, and
            change no result.
        title: what to call the model while its progress is told; changes no result.
        progress: listener.

    Returns:
        The certificate, and what happened to each image.

    Raises:
        CertifyError: no images, labels outside the classes, models that do not fit each other, or an attack that
            cannot run here.
        OptionError: an unknown battery, a confidence, batch size or audit that cannot be, or nothing to prove or audit.
        OutputError: the state cannot be written.
        DataError: the published arrays of corruptions cannot be used.
    """
    begun = time.monotonic()
    check_options(confidence, batch_size, audit)
    check_demands(demands, threats, baseline)
    check_proving(prove=prove, threats=threats)
    check_auditing(audit=audit, threats=threats)
    chosen = read_battery(battery)
    check_models(model, images, baseline)
    pictures = None
    if corruptions_from is not None:
        pictures = open_pictures(corruptions_from, model=model, num_images=len(images), seed=seed)
    num_threads = torch.get_num_threads()
    images = images if demands is None else in_random_order(images, seed)
    fleet = Fleet(batch_size, crew=crew, progress=progress)
    work = work_on(images, seed=seed, device=device, fleet=fleet, state=state, progress=progress)
    opened = partial(party, device=device, threads=num_threads)
    slim = opened(title, model, artefact, macs=macs)
    dense = None if baseline is None else opened("dense", baseline, None, macs=max(macs, baseline_macs))
    with ExitStack() as stack:
        stack.enter_context(slim.twins)
        if dense is not None:
            stack.enter_context(dense.twins)
        wanted = list(dict.fromkeys(threats))
        if demands is None:
            fought = fight_all(work, slim, dense, threats=wanted, battery=chosen, audit=audit, confidence=confidence)
        else:
            fought = fight_until_certain(
                work, slim, dense, threats=wanted, battery=chosen, demands=demands, audit=audit, confidence=confidence
            )
        shaken = _shaken(fought, slim, dense, pictures) if corruptions or pictures else None
        proofs = proofs_of(fought, slim, dense) if prove else ()
    method = IntervalMethod.CLOPPER_PEARSON if demands is None else IntervalMethod.CONFIDENCE_SEQUENCE
    outcomes = outcomes_of(
        fought.work,
        fought.reply,
        fought.fights,
        num_classes=model.num_classes,
        dense=None if fought.dense_reply is None or baseline is None else (baseline.sha256, fought.dense_reply),
        is_claimed=bool(threats),
        intervals=Intervals(method=method, confidence=confidence),
        corruptions=shaken,
        proofs=proofs,
    )
    numbers = recompute(outcomes)
    kind = artefact_of(slim, model)
    results = threat_results(numbers, fought, chosen.name) if threats else ()
    result = Result(
        model=ModelFacts(sha256=model.sha256, architecture=model.architecture, params=params, macs=macs),
        artefact=kind,
        data=DataFacts(
            spec=data_spec,
            sha256=fought.work.data_sha256,
            split=images.role,
            num_images=len(fought.work.images),
            roles_used=roles_used,
            duplicates_with_train=sum(digest in duplicates for digest in outcomes.digests),
        ),
        clean_accuracy=numbers.clean_accuracy,
        clean_interval=numbers.clean_interval,
        confidence=confidence,
        interval_method=numbers.interval_method,
        per_class=numbers.per_class,
        calibration=numbers.calibration,
        threats=results,
        curve=numbers.curve,
        corruptions=numbers.corruptions,
        baseline=numbers.baseline,
        claim=claim_text(kind, numbers, results, searched, curve_flags=() if threats else curve_flags(fought)),
        seed=seed,
        searched=searched,
    )
    certificate = Certificate(
        schema=SCHEMA,
        created=now(),
        tool_version=tool_version(),
        result=result,
        run=Run(
            seconds=time.monotonic() - begun,
            host=host(),
            versions=versions(),
            processes=crew.size,
            batch_size=fleet.in_flight,
            threads=num_threads,
        ),
        result_sha256=digest_of_result(result),
    )
    return certificate, outcomes


def _shaken(fought: Campaign, slim: Party, dense: Party | None, pictures: PublishedSet | None) -> CorruptionOutcome:
    labels, reply = fought.work.images.labels, fought.dense_reply
    theirs = None if dense is None or reply is None else (dense, reply.right(labels))
    return corruption_outcome(fought.work, (slim, fought.reply.right(labels)), theirs, pictures=pictures)
