"""The gate on select images: the attack on a candidate, and what the policy says of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from compressor.asked import battery_of
from compressor.bench.record import Latency
from compressor.certify.certificate import Certificate
from compressor.certify.certify import certify
from compressor.certify.demand import Demand, Demands
from compressor.certify.statistics import clopper_pearson
from compressor.data import Data, ImageSet, stratified
from compressor.finetune import History
from compressor.gate import wording
from compressor.gate.policy import Policy, demands_of
from compressor.load.checkpoint import Checkpoint
from compressor.progress import Progress
from compressor.prune import count_cost
from compressor.search.found import Found, Over, ending, too_low
from compressor.search.judging import attacked_threats, judged, standing_of, without
from compressor.search.record import CONFIRM, Judged, Standing, Trial
from compressor.search.sizes import Sizes
from compressor.task import Place, Task

BATTERY = "quick"
"""What candidates are attacked with at first."""

NOTHING_ASKED = Demands(each=(Demand(threat=None, at_least=0.0),))
"""Where the policy demands nothing of answers, a look at the first images suffices."""


class SelectGate:
    """Judges candidates of one network."""

    def __init__(
        self, dense: Checkpoint, data: Data, *, task: Task, policy: Policy, sizes: Sizes, num_test: int, place: Place
    ) -> None:
        """Get ready.

        Args:
            dense: the model to search in.
            data: select images.
            task: what the winner's release is asked for.
            policy: read.
            sizes: measures files.
            num_test: images that the test certificate will have.
            place: where state is kept.
        """
        self._dense, self._data, self._task, self._policy = dense, data, task, policy
        self._sizes, self._num_test, self._place = sizes, num_test, place
        today = datetime.now(UTC).date()
        waived = [name for name in policy.waivers.allowed if policy.waivers.cover(name, today)]
        self.demanded = without(policy, {*task.accept, *waived})
        """The policy, without what is accepted or waived."""
        self.before = count_cost(dense.model, dense.input_shape)
        self.images: ImageSet = stratified(data.need("select"), task.num_images, seed=task.seed)
        demanded = demands_of(self.demanded)
        self._demands = NOTHING_ASKED if demanded is None else replace(demanded, min_images=1)
        self.threats = attacked_threats(policy)
        self.battery = battery_of(task, policy)
        """What the release attacks with."""

    def needs_confirming(self, trial: Trial) -> bool:
        """Say whether a candidate passed by a weaker battery than the one that the release attacks with."""
        is_weaker = bool(self.threats) and self.battery != BATTERY
        return is_weaker and trial.standing is Standing.PASSED and trial.rung(CONFIRM) is None

    def check_answers(self, history: History, found: Found) -> None:
        """End what answers certainly too little right, before it is attacked.

        Args:
            history: of its tuning.
            found: gets the condition that fails.

        Raises:
            Over: it does.
        """
        least = self.demanded.accuracy.min
        num = history.num_select
        high = clopper_pearson(round(history.select_accuracy * num), num, 0.95)[1]
        if least is not None and high < least:
            found.standing = Standing.FAILED
            found.conditions = (too_low(history.select_accuracy, least),)
            raise Over(
                f"after the full recipe {wording.percent(history.select_accuracy)} of the select images are right, "
                f"demanded are {wording.demanded_percent(least)}"
            )

    def attacked(self, tuned: Checkpoint, onnx: bytes | None, *, battery: str, progress: Progress) -> Certificate:
        """Attack until the judgement is certain.

        Args:
            tuned: the candidate.
            onnx: its file, where that answers otherwise than torch.
            battery: to attack with.
            progress: listener.
        """
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

    def judge(self, found: Found, tuned: Checkpoint, onnx: bytes | None, *, progress: Progress) -> str:
        """Judge, and return what that came to; files are written and timed only where nothing has failed by then.

        Args:
            found: with the certificate; gets the conditions and the standing.
            tuned: the candidate.
            onnx: its file, where it was written.
            progress: listener.
        """
        assert found.certificate is not None
        self._settle(found, self._judged(found.certificate))
        if found.standing is not Standing.FAILED and (self._policy.latency or self._policy.size.max_bytes is not None):
            file = self._sizes.exported(tuned) if onnx is None else onnx
            records = self._sizes.timed(file, progress=progress) if self._policy.latency else ()
            found.num_bytes = len(file)
            found.p50_ms = found.p50_ms or (records[0].rows[0].p50_ms if records else None)
            self._settle(found, self._judged(found.certificate, latency=records, model=file))
        return ending(found)

    def judge_anew(self, found: Found, trial: Trial, certificate: Certificate) -> None:
        """Judge by another certificate; what was said of its file stays.

        Args:
            found: gets the conditions and the standing.
            trial: its record.
            certificate: by the battery of the release.
        """
        files = [each for each in trial.conditions if each.id.startswith(("size.", "latency."))]
        found.certificate = certificate
        self._settle(found, {each.id: each for each in (*self._judged(certificate), *files)}.values())

    def _settle(self, found: Found, conditions: Iterable[Judged]) -> None:
        found.conditions = tuple(conditions)
        found.standing = standing_of(found.conditions)

    def _judged(
        self, certificate: Certificate, *, latency: Sequence[Latency] = (), model: bytes | None = None
    ) -> tuple[Judged, ...]:
        return judged(
            self._policy,
            certificate,
            num_planned=len(self.images),
            num_test=self._num_test,
            accepted=self._task.accept,
            latency=latency,
            model=model,
        )
