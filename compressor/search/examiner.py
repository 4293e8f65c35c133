"""Candidates from rung to rung: cut, answered as they are, tuned shortly, tuned by the recipe, attacked. Cheap first.

They see training and select images. Each rung may end a candidate; what is left of it then is the record of why.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from compressor.data import Data, stratified
from compressor.errors import CertifyError, ExportError, FinetuneError, PruneError
from compressor.finetune import History, Recipe
from compressor.gate import wording
from compressor.gate.policy import Policy
from compressor.load.checkpoint import Checkpoint
from compressor.progress import Progress
from compressor.prune import slim
from compressor.search.found import Found, Looked, Over, amended, ending, record_of, timed
from compressor.search.hopeless import FULL, hopeless
from compressor.search.judging import accuracy_floor
from compressor.search.planner import Planner, digest_of_cut
from compressor.search.record import CONFIRM, Candidate, Standing, Trial
from compressor.search.select_gate import BATTERY, SelectGate
from compressor.search.sizes import Sizes
from compressor.search.winner import best_of
from compressor.steps import tune
from compressor.task import Place, Task

SHORT_SHARE = 0.25
"""Of the training images, in the short tuning."""

FEW_BATCHES = 20
"""From which statistics are re-estimated before the first answers."""

ENDS_A_CANDIDATE = (PruneError, FinetuneError, ExportError, CertifyError)
"""What is wrong with one candidate and no other."""


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
        self._dense, self._data, self._task = dense, data, task
        self._planner, self._sizes, self._place, self._worker = planner, sizes, place, worker
        self.gate = SelectGate(dense, data, task=task, policy=policy, sizes=sizes, num_test=num_test, place=place)
        self._demanded = self.gate.demanded
        self._floor = accuracy_floor(self._demanded, dense_accuracy)

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
            battery = self.gate.battery
            certificate = self.gate.attacked(tuned, self._sizes.rounded(tuned), battery=battery, progress=progress)
            rung.num_passes = sum(each.num_forward + each.num_backward for each in certificate.result.threats)
        self.gate.judge_anew(found, trial, certificate)
        return amended(trial, found, why=f"by the battery {battery} {ending(found)}")

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
            self.gate.check_answers(history, found)
            onnx = self._sizes.rounded(tuned)
            found.certificate = self.gate.attacked(tuned, onnx, battery=BATTERY, progress=progress)
            rung.num_passes = sum(each.num_forward + each.num_backward for each in found.certificate.result.threats)
        return self.gate.judge(found, tuned, onnx, progress=progress)

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
