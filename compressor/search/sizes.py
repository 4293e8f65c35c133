"""What a candidate weighs, in what the search makes small: counted where that suffices, else on the file itself."""

from collections.abc import Sequence
from dataclasses import replace

from compressor.bench.record import Latency
from compressor.data import Data
from compressor.export.form import Form
from compressor.export.onnx import export_onnx, fits_one_file
from compressor.load.checkpoint import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune import Cost, count_cost
from compressor.shipping import calibration_of
from compressor.steps import measure
from compressor.subject import TOO_LARGE
from compressor.task import Timing
from compressor.types import InputForm, Minimise, Precision, Skipped


class Sizes:
    """Counts and measures candidates beside the dense model."""

    def __init__(
        self, dense: Checkpoint, data: Data, *, minimise: Minimise, form: Form, timings: Sequence[Timing]
    ) -> None:
        """Get ready; the dense file is written where files are measured.

        Args:
            dense: the model to search in.
            data: select images, from which int8 takes its ranges.
            minimise: what counts.
            form: how files are written.
            timings: what is timed; the first is what latency counts by.
        """
        self._before = count_cost(dense.model, dense.input_shape)
        self._minimise, self._form, self._timings = minimise, form, tuple(timings)
        self._calibration = calibration_of(data, form)
        self._dense = dense
        self._dense_file: bytes | None = None
        self.dense_p50_ms: float | None = None
        """As last timed beside a candidate."""

    @property
    def dense_bytes(self) -> int | None:
        """Of the dense file, once it was written."""
        return None if self._dense_file is None else len(self._dense_file)

    def of(self, cut: Checkpoint, after: Cost) -> tuple[float, int | None, float | None]:
        """Return the cost as a share of dense, the bytes of the file and its median latency, where measured.

        Weights decide neither bytes nor latency, so this comes before any tuning.
        """
        if self._minimise is Minimise.MACS:
            return after.macs / self._before.macs, None, None
        if self._minimise is Minimise.PARAMS:
            return after.params / self._before.params, None, None
        file = self.exported(cut)
        if self._minimise is Minimise.BYTES:
            whole = self.dense_file()
            return len(file) / (self._before.params * 4 if whole is None else len(whole)), len(file), None
        record = self._timed(file, self._timings[0])
        p50_ms = record.rows[0].p50_ms
        share = p50_ms if record.against is None else record.against.ratio_p50
        return share, len(file), p50_ms

    def exported(self, checkpoint: Checkpoint) -> bytes:
        """Return the file as it would ship."""
        return export_onnx(checkpoint, self._form, calibration=self._calibration)

    def rounded(self, checkpoint: Checkpoint) -> bytes | None:
        """Return the file where it answers otherwise than torch: rounded numbers, or raw frames; else None."""
        is_plain = self._form.precision is Precision.FP32 and self._form.input_form is InputForm.FLOAT_NCHW
        return None if is_plain else self.exported(checkpoint)

    def timed(self, file: bytes, *, progress: Progress = SILENT) -> tuple[Latency, ...]:
        """Time a file beside the dense one in every configuration."""
        return tuple(self._timed(file, timing, progress=progress) for timing in self._timings)

    def dense_file(self) -> bytes | None:
        """Return the dense model's file in float32, as it was delivered; None where no file can hold it."""
        if self._dense_file is None and fits_one_file(self._dense):
            self._dense_file = export_onnx(self._dense, replace(self._form, precision=Precision.FP32))
        return self._dense_file

    def _timed(self, file: bytes, timing: Timing, *, progress: Progress = SILENT) -> Latency:
        whole = self.dense_file()
        against = Skipped(reason=TOO_LARGE) if whole is None else whole
        record = measure(file, against=against, timing=timing, progress=progress)
        if record.against is not None:
            self.dense_p50_ms = record.against.rows[0].p50_ms
        return record
