"""What only images can tell: does the file answer them as certified, and do survivors survive other attacks?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.attacks.threat import parse_threat
from compressor.bundle.names import MODEL
from compressor.certify.certify import certify
from compressor.certify.outcomes import Outcomes, ThreatOutcome
from compressor.certify.siege import STANDING
from compressor.certify.statistics import clopper_pearson
from compressor.data import ImageSet, open_data, stratified
from compressor.errors import DataError
from compressor.progress import SILENT, Progress
from compressor.prune import count_cost
from compressor.verify.model import answered, compare, rounding_limit
from compressor.verify.opened import Opened
from compressor.verify.record import Found, Status

MAX_BROKEN = 0.05
"""Share of certified survivors that other random numbers may break. An attack's luck differs from run to run, and on
hard images by a few percent; an invented certificate loses far more."""

CONFIDENCE = 0.95

AT_ONCE = 64
"""Images read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The images of the certificate, as far as the verifier has them."""

    images: ImageSet
    """Those that were found, in the order of the certificate."""
    rows: NDArray[np.int64]
    """(n,) which image of the certificate each is."""
    num_renamed: int
    """Found by their bytes, under another name."""
    num_relabelled: int
    """Of those found: with another label than in the certificate."""


def find_images(opened: Opened, spec: str, *, progress: Progress = SILENT) -> Match:
    """Find the images of the certificate among the verifier's test images, by name and bytes, else by bytes.

    Raises:
        DataError: the data cannot be used, or holds none of the images.
    """
    checkpoint, outcomes = opened.checkpoint, opened.outcomes
    data = open_data(
        spec,
        preprocess=checkpoint.preprocess,
        input_size=checkpoint.input_shape[1:],
        channels=checkpoint.input_shape[0],
        progress=progress,
    )
    test = data.need("test")
    by_name = {name: index for index, name in enumerate(test.names)}
    found = {
        row: by_name[name]
        for row, (name, digest) in enumerate(zip(outcomes.names, outcomes.digests, strict=True))
        if name in by_name and test.digest(by_name[name]) == digest
    }
    num_named = len(found)
    if num_named < len(outcomes.names):
        left = sorted(set(range(len(test))) - set(found.values()))
        found |= by_bytes(outcomes, test, [row for row in range(len(outcomes.names)) if row not in found], left)
    if not found:
        raise DataError(
            f"--data {spec} holds none of the images of the certificate",
            advice=f"give the data that it names: {opened.certificate.result.data.spec}",
        )
    rows = np.array(sorted(found), dtype=np.int64)
    images = test.take([found[int(row)] for row in rows])
    return Match(
        images=images,
        rows=rows,
        num_renamed=len(found) - num_named,
        num_relabelled=int((images.labels != outcomes.labels[rows]).sum()),
    )


def by_bytes(outcomes: Outcomes, test: ImageSet, rows: list[int], left: list[int]) -> dict[int, int]:
    """Find images by their bytes, each image once: of equal ones first those with the label that was certified."""
    places: dict[str, list[int]] = {}
    for index in left:
        places.setdefault(test.digest(index), []).append(index)
    found: dict[int, int] = {}
    for needs_label in (True, False):
        for row in rows:
            equal = places.get(outcomes.digests[row], [])
            fitting = [each for each in equal if not needs_label or test.labels[each] == outcomes.labels[row]]
            if row not in found and fitting:
                found[row] = fitting[0]
                equal.remove(fitting[0])
    return found


def check_data(opened: Opened, match: Match) -> Found:
    """Answer the clean images again, and compare with the outcomes."""
    num, num_found = len(opened.outcomes.labels), len(match.rows)
    if match.num_relabelled:
        return Status.CONTRADICTED, f"{match.num_relabelled} of {num_found} images have another label than certified"
    parts = [range(start, min(start + AT_ONCE, num_found)) for start in range(0, num_found, AT_ONCE)]
    found = np.concatenate([answered(opened.session, match.images.read(part).numpy()) for part in parts])
    is_fault, words = compare(opened.outcomes.logits[match.rows], found, limit=rounding_limit(opened.session))
    detail = f"{num_found:,} of {num:,} images found"
    detail += f", {match.num_renamed:,} of them under another name" if match.num_renamed else ""
    detail += f"; certified and fresh answers of {MODEL} to them: {words}"
    if is_fault:
        return Status.CONTRADICTED, detail
    return Status.RECOMPUTED if num_found == num and not match.num_renamed else Status.CONSISTENT, detail


def check_recheck(
    opened: Opened, match: Match, *, num: int, seed: int, device: str = "cpu", progress: Progress = SILENT
) -> Found:
    """Attack some certified survivors anew, with random numbers that the maker of the bundle did not know.

    Contradicted if, under some threat, the share of them that breaks lies above `MAX_BROKEN`, with confidence.
    """
    claimed = [each for each in opened.outcomes.threats if each.is_claimed]
    stands = [index for index, row in enumerate(match.rows) if any(each.slim[row] == STANDING for each in claimed)]
    if not stands:
        return Status.NOT_CHECKED, "the certificate claims no survivor that could be attacked"
    chosen = stratified(match.images.take(stands), min(num, len(stands)), seed=seed)
    fresh = _attacked(opened, chosen, claimed, seed=seed, device=device, progress=progress)
    place = {name: index for index, name in enumerate(match.images.names)}
    rows = match.rows[[place[name] for name in chosen.names]]
    status, sentences = Status.RECOMPUTED, []
    for before, after in zip(claimed, [each for each in fresh.threats if each.is_claimed], strict=True):
        survivors = before.slim[rows] == STANDING
        num_survivors, num_broken = int(survivors.sum()), int((survivors & (after.slim != STANDING)).sum())
        if num_survivors == 0:
            continue
        low, high = clopper_pearson(num_broken, num_survivors, CONFIDENCE)
        sentences.append(f"{before.threat}: {num_broken} of {num_survivors} survivors broke [{low:.1%}, {high:.1%}]")
        if low > MAX_BROKEN:
            status = Status.CONTRADICTED
    return status, f"{len(chosen)} images attacked anew with seed {seed}; {'; '.join(sentences)}"


def _attacked(
    opened: Opened,
    images: ImageSet,
    threats: list[ThreatOutcome],
    *,
    seed: int,
    device: str,
    progress: Progress,
) -> Outcomes:
    """Run the battery: the standard one, or the quick one where that is all that was claimed."""
    checkpoint, result = opened.checkpoint, opened.certificate.result
    cost = count_cost(checkpoint.model, checkpoint.input_shape)
    battery = "quick" if {each.battery for each in result.threats} == {"quick"} else "standard"
    _, outcomes = certify(
        checkpoint,
        images,
        threats=[parse_threat(each.threat) for each in threats],
        battery=battery,
        artefact=opened.path(MODEL).read_bytes(),
        data_spec=result.data.spec,
        seed=seed,
        device=device,
        params=cost.params,
        macs=cost.macs,
        progress=progress,
    )
    return outcomes
