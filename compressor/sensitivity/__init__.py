"""How much accuracy hangs on each layer: every layer and block leaves alone, and nothing is fine-tuned.

`measure_sensitivity` is the verb and `Sensitivity` its record; text, drawing and page are written from the record.
"""

from compressor.sensitivity.measure import measure_sensitivity
from compressor.sensitivity.page import sensitivity_page, sensitivity_svg
from compressor.sensitivity.record import Sensitivity, SensitivityRow
from compressor.sensitivity.text import sensitivity_text

__all__ = [
    "Sensitivity",
    "SensitivityRow",
    "measure_sensitivity",
    "sensitivity_page",
    "sensitivity_svg",
    "sensitivity_text",
]
