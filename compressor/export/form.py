"""How a model is written as a file: its operator set, its batch, the numbers inside, and what it takes."""

from dataclasses import dataclass

from compressor.errors import ExportError, OptionError
from compressor.types import InputForm, Precision, word_of

OPSETS = tuple(range(13, 21))
"""What can be written: 18 and above by torch's exporter, which raises a lower request to 18 with a log line only
(measured); 13 to 17 by its older one."""

DYNAMIC = "dynamic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a model is written.

    Raises:
        ExportError: an opset that is not written.
        OptionError: a batch size that is none, or an unknown precision or input.
    """

    opset: int = 18
    """13 to 20."""
    batch: str | int = DYNAMIC
    """`dynamic`, or the one batch size that the file shall take."""
    precision: Precision = Precision.FP32
    input_form: InputForm = InputForm.FLOAT_NCHW

    def __post_init__(self) -> None:
        """Refuse what cannot be written, before any work."""
        if self.opset not in OPSETS:
            raise ExportError(
                f"opset {self.opset} cannot be written; the lowest is {OPSETS[0]}, the highest {OPSETS[-1]}",
                advice="use --opset 18",
            )
        if self.batch != DYNAMIC and not (str(self.batch).isdecimal() and int(self.batch) >= 1):
            raise OptionError(
                f"--export-batch {self.batch!r} is neither {DYNAMIC} nor a number", advice="use dynamic, or 1"
            )
        # A plain string of a caller becomes the word that it stands for.
        object.__setattr__(self, "precision", word_of(Precision, self.precision))
        object.__setattr__(self, "input_form", word_of(InputForm, self.input_form))

    @property
    def fixed_batch(self) -> int | None:
        """The one batch size; None: any."""
        return None if self.batch == DYNAMIC else int(self.batch)


PLAIN = Form()
"""float32, any batch, opset 18."""
