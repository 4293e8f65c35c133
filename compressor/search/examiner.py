"""Candidates from rung to rung: cut, answered as they are, tuned shortly, tuned by the recipe, attacked. Cheap first.

They see training and select images. Each rung may end a candidate; what is left of it then is the record of why.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from compressor.certify.certificate import Certificate
from compressor.certify.certify import certify
from compressor.certify.demand import Demand, Demands
from compressor.certify.statistics import clopper_pearson
from compressor.data import Data, ImageSet, stratified
from compressor.errors import CertifyError, ExportError, FinetuneError, PruneError
from compressor.finetune import History, Recipe
from compressor.gate import wording
from compressor.gate.policy import Policy, demands_of
from compressor.load.checkpoint import Checkpoint
from compressor.progress import Progress
from compressor.prune import count_cost, slim
from compressor.search.found import Found, Looked, Over, amended, ending, record_of, timed, too_low
from compressor.search.hopeless import FULL, hopeless
from compressor.search.judging import accuracy_floor, attacked_threats, judged, standing_of, without
from compressor.search.planner import Planner, digest_of_cut
from compressor.search.record import CONFIRM, Candidate, Judged, Standing, Trial
from compressor.search.sizes import Sizes
from compressor.search.winner import best_of
from compressor.steps import tune
from compressor.task import Place, Task

BATTERY = "quick"

SHORT_SHARE = 0.25
"""Of the training images, in the short tuning."""

FEW_BATCHES = 20
"""From which statistics are re-estimated before the first answers."""

NOTHING_ASKED = Demands(each=(Demand(threat=None, at_least=0.0),))
"""Where the policy demands nothing of answers, a look at the first images suffices."""

ENDS_A_CANDIDATE = (PruneError, FinetuneError, ExportError, CertifyError)
"""What is wrong with one candidate and no other."""


def battery_of(task: Task, policy: Policy) -> str:
    """Return what a release attacks with."""
    return task.battery or policy.evidence.battery or "standard"


class Examiner:
    """Takes candidates of one network up the rungs."""

    def __init__(
        self,
        dense: Checkpoint,
        data: Data,
        *,
        task: Task,
        policy: Policy,
        planner: Planner,
        sizes: Sizes,
        dense_accuracy: float,
        num_test: int,
        place: Place,
        worker: str,
    ) -> None:
        """Get ready.

        Args:
            dense: the model to search in.
            data: training and select images; the test role must be absent.
            task: what the winner's release is asked for.
            policy: read.
            planner: of the same network.
            sizes: measures files.
            dense_accuracy: of the dense model on all select images.
            num_test: images that the test certificate will have.
            place: where state is kept; the release goes on from it.
            worker: who examines.
        """
        assert data.test is None, "candidates never meet a test image"
        self._dense, self._data, self._task, self._policy = dense, data, task, policy
        self._planner, self._sizes = planner, sizes
        self._num_test, self._place, self._worker = num_test, place, worker
        today = datetime.now(UTC).date()
        waived = [name for name in policy.waivers.allowed if policy.waivers.cover(name, today)]
        self._demanded = without(policy, {*task.accept, *waived})
        self._floor = accuracy_floor(self._demanded, dense_accuracy)
        self.before = count_cost(dense.model, dense.input_shape)
        self.images: ImageSet = stratified(data.need("select"), task.num_images, seed=task.seed)
        demanded = demands_of(self._demanded)
        self._demands = NOTHING_ASKED if demanded is None else replace(demanded, min_images=1)
        self.threats = attacked_threats(policy)

    def look(
        self, number: int, candidate: Candidate, *, heat: Sequence[Looked], past: Sequence[Trial], progress: Progress
    ) -> Looked:
        """Take a candidate up the cheapest rungs: cut, and answered as it is, with statistics re-estimated.

        Args:
            number: of the candidate.
            candidate: to examine.
            heat: candidates of the same heat that were looked at before.
            past: candidates that ended by now.
            progress: told where it stands; whatever it raises ends the examination.
        """
        looked = Looked(number=number, candidate=candidate, found=Found(), why=None, seconds=0.0)
        with _ending(looked):
            self._look(looked, heat, past, progress)
        return looked

    def tune_shortly(self, looked: Looked, *, past: Sequence[Trial], progress: Progress) -> None:
        """Take a candidate up the next rung, an epoch on some images; none where the recipe has no more than one.

        Args:
            looked: one of the better half of a heat; what becomes of it is noted there.
            past: candidates that ended by now.
            progress: as above.
        """
        if self._task.recipe.epochs > 1:
            with _ending(looked):
                self._tune_shortly(looked, past, progress)

    def finish(self, looked: Looked, *, progress: Progress) -> None:
        """Take a candidate up the dear rungs: tuned by the recipe, attacked and judged.

        Args:
            looked: the best of a heat; what becomes of it is noted there.
            progress: as above.
        """
        with _ending(looked):
            looked.why = self._climb(looked.found, progress)

    def record(self, looked: Looked, *, heat: int, why: str) -> Trial:
        """Return the record of a candidate that ended.

        Args:
            looked: the candidate.
            heat: number of the first candidate of its heat.
            why: it ended.
        """
        return record_of(
            looked.found,
            looked.number,
            looked.candidate,
            heat=heat,
            worker=self._worker,
            why=why,
            dense_p50_ms=self._sizes.dense_p50_ms,
            seconds=looked.seconds,
        )

    @property
    def battery(self) -> str:
        """What the release attacks with."""
        return battery_of(self._task, self._policy)

    def needs_confirming(self, trial: Trial) -> bool:
        """Say whether a candidate passed by a weaker battery than the one that the release attacks with."""
        is_weaker = bool(self.threats) and self.battery != BATTERY
        return is_weaker and trial.standing is Standing.PASSED and trial.rung(CONFIRM) is None

    def confirm(self, trial: Trial, *, progress: Progress) -> Trial:
        """Attack a candidate that passed by the battery of the release too, and judge it anew: on select images.

        Args:
            trial: its record; its training is not done again.
            progress: told where it stands.
        """
        found = Found(rungs=list(trial.rungs))
        with timed(found, CONFIRM) as rung:
            cut = slim(self._dense, self._planner.plan(trial.candidate))
            tuned, _ = self._tuned(cut, self._data, self._task.recipe, progress, place=self._place)
            certificate = self._attacked(tuned, self._sizes.rounded(tuned), progress, battery=self.battery)
            rung.num_passes = sum(each.num_forward + each.num_backward for each in certificate.result.threats)
        files = [each for each in trial.conditions if each.id.startswith(("size.", "latency."))]
        kept = {each.id: each for each in (*self._judged(certificate), *files)}
        found.conditions = tuple(kept.values())
        found.standing = standing_of(found.conditions)
        found.certificate = certificate
        return amended(trial, found, why=f"by the battery {self.battery} {ending(found)}")

    def _look(self, looked: Looked, heat: Sequence[Looked], past: Sequence[Trial], progress: Progress) -> None:
        found, recipe = looked.found, self._task.recipe
        with timed(found, "cut"):
            cut = self._cut(looked, heat, past)
        few = min(recipe.batchnorm_batches, FEW_BATCHES)
        with timed(found, "one-shot") as rung:
            as_it_is = replace(recipe, epochs=0, batchnorm_batches=few)
            looked.model, history = self._tuned(cut, self._data, as_it_is, progress)
            rung.note(history)
        if recipe.epochs <= 1:  # otherwise a short tuning tells more
            self._go_on(found, past)

    def _tune_shortly(self, looked: Looked, past: Sequence[Trial], progress: Progress) -> None:
        assert looked.model is not None
        train = self._data.need("train")
        some = stratified(train, max(2, round(SHORT_SHARE * len(train))), seed=self._task.seed)
        shortly = replace(self._task.recipe, epochs=1, batchnorm_batches=0)  # re-estimated already
        with timed(looked.found, "short") as rung:
            rung.note(self._tuned(looked.model, replace(self._data, train=some), shortly, progress)[1])
        self._go_on(looked.found, past)

    def _climb(self, found: Found, progress: Progress) -> str:
        """Tune by the whole recipe, attack and judge; return what that came to."""
        assert found.plan is not None
        with timed(found, FULL) as rung:
            cut = slim(self._dense, found.plan)
            tuned, history = self._tuned(cut, self._data, self._task.recipe, progress, place=self._place)
            rung.note(history)
        with timed(found, "attack") as rung:
            onnx = self._check_answers(tuned, history, found)
            found.certificate = self._attacked(tuned, onnx, progress)
            rung.num_passes = sum(each.num_forward + each.num_backward for each in found.certificate.result.threats)
        return self._judge(found, tuned, onnx, progress)

    def _cut(self, looked: Looked, heat: Sequence[Looked], past: Sequence[Trial]) -> Checkpoint:
        """Plan and cut, and end what is not smaller than the best so far."""
        found = looked.found
        found.plan = plan = self._planner.plan(looked.candidate)
        found.cut_sha256 = digest_of_cut(plan)
        twin = next((each for each in past if each.cut_sha256 == found.cut_sha256 and each.is_judged), None)
        if twin is not None:
            raise Over(f"the same cut as candidate {twin.number}, which came to: {twin.standing}")
        same = next((each for each in heat if each.found.cut_sha256 == found.cut_sha256), None)
        if same is not None:
            raise Over(f"the same cut as candidate {same.number} of the same heat")
        for what, has, limit in (
            ("multiply-adds", plan.after.macs, self._demanded.size.max_macs),
            ("parameters", plan.after.params, self._demanded.size.max_params),
        ):
            if limit is not None and has > limit:
                raise Over(f"{wording.amount(has)} {what}, the policy allows {wording.amount(limit)}")
        cut = slim(self._dense, plan)
        found.cost, found.num_bytes, found.p50_ms = self._sizes.of(cut, plan.after)
        best = best_of(past)
        if best is not None and best.cost is not None and found.cost >= best.cost:
            raise Over(f"no smaller than candidate {best.number}, which passed")
        return cut

    def _go_on(self, found: Found, past: Sequence[Trial]) -> None:
        """End a candidate that others show to be hopeless."""
        assert found.cost is not None
        why = hopeless(found.rungs[-1], cost=found.cost, past=past, floor=self._floor)
        if why is not None:
            raise Over(why)

    def _tuned(
        self, cut: Checkpoint, data: Data, recipe: Recipe, progress: Progress, *, place: Place | None = None
    ) -> tuple[Checkpoint, History]:
        """Tune as the release does; only the full recipe keeps state, which the release goes on from."""
        here = replace(self._place, work_dir=None) if place is None else place
        return tune(cut, data, recipe, teacher=self._dense, place=here, progress=progress)

    def _check_answers(self, tuned: Checkpoint, history: History, found: Found) -> bytes | None:
        """End what answers certainly too little right, before it is attacked; return its file where that differs."""
        least = self._demanded.accuracy.min
        num = history.num_select
        high = clopper_pearson(round(history.select_accuracy * num), num, 0.95)[1]
        if least is not None and high < least:
            found.standing = Standing.FAILED
            found.conditions = (too_low(history.select_accuracy, least),)
            raise Over(
                f"after the full recipe {wording.percent(history.select_accuracy)} of the select images are right, "
                f"demanded are {wording.demanded_percent(least)}"
            )
        return self._sizes.rounded(tuned)

    def _attacked(
        self, tuned: Checkpoint, onnx: bytes | None, progress: Progress, *, battery: str = BATTERY
    ) -> Certificate:
        cost = count_cost(tuned.model, tuned.input_shape)
        certificate, _ = certify(
            tuned,
            self.images,
            threats=self.threats,
            battery=battery,
            artefact=onnx,
            baseline=self._dense,
            data_spec=self._data.spec,
            roles_used=("select",),
            demands=self._demands,
            corruptions=self._policy.corruptions.min is not None,
            seed=self._task.seed,
            device=self._place.device,
            batch_size=self._place.batch_size,
            state=self._place.state("certify"),
            params=cost.params,
            macs=cost.macs,
            baseline_macs=self.before.macs,
            progress=progress,
        )
        return certificate

    def _judge(self, found: Found, tuned: Checkpoint, onnx: bytes | None, progress: Progress) -> str:
        """Judge; files are written and timed only where nothing has failed by then."""
        assert found.certificate is not None
        found.conditions = self._judged(found.certificate)
        found.standing = standing_of(found.conditions)
        if found.standing is not Standing.FAILED and (self._policy.latency or self._policy.size.max_bytes is not None):
            file = self._sizes.exported(tuned) if onnx is None else onnx
            records = self._sizes.timed(file, progress=progress) if self._policy.latency else ()
            found.num_bytes = len(file)
            found.p50_ms = found.p50_ms or (records[0].rows[0].p50_ms if records else None)
            found.conditions = self._judged(found.certificate, latency=records, model=file)
            found.standing = standing_of(found.conditions)
        return ending(found)

    def _judged(self, certificate: Certificate, **files: object) -> tuple[Judged, ...]:
        return judged(
            self._policy,
            certificate,
            num_planned=len(self.images),
            num_test=self._num_test,
            accepted=self._task.accept,
            **files,  # type: ignore[arg-type]
        )


@contextmanager
def _ending(looked: Looked) -> Iterator[None]:
    """Keep why a candidate ends here, if it does, and how long that took."""
    begun = time.monotonic()
    try:
        yield
    except Over as over:
        looked.why = over.why
    except ENDS_A_CANDIDATE as error:
        looked.found.standing, looked.why = Standing.DROPPED, str(error)
    finally:
        looked.seconds += time.monotonic() - begun
