"""One slim checkpoint as float32, float16 and int8: bytes, accuracy on all test images, certificate, latency in turns.

    python -m benchmarks.precision SLIM.safetensors --data DIR --threat linf:1/255

int8 takes its ranges from select images. One row a precision in `results/precision/NAME.json`, written as they come.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.rows import RESULTS, write_rows
from compressor.attacks import parse_threat
from compressor.bench.latency import bench
from compressor.export.form import Form
from compressor.export.onnx import export_onnx
from compressor.export.parity import check_parity
from compressor.records import to_plain
from compressor.shipping import calibration_of
from compressor.steps import fit, open_model, prove
from compressor.task import Place, Proof
from compressor.types import Precision

FOLDER = RESULTS / "precision"


def main() -> None:
    """Measure each precision beside float32."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--threat", default="linf:1/255")
    parser.add_argument("--num-images", type=int, default=1000, help="of the certificate")
    parser.add_argument("--name", help="of the row; by default the checkpoint's")
    options = parser.parse_args()
    torch.set_num_threads(2)
    slim, data = fit(open_model(options.checkpoint), options.data)
    test = data.need("test")
    threat = parse_threat(options.threat)
    plain = export_onnx(slim)
    rows: list[dict[str, Any]] = []
    for precision in Precision:
        form = Form(precision=precision)
        file = export_onnx(slim, form, calibration=calibration_of(data, form))
        parity = check_parity(slim, file, images=test, num_images=len(test))
        proof = Proof(threats=(threat,), num_images=options.num_images)
        place = Place(work_dir=Path(".compress/precision"))
        certificate, _ = prove(slim, data, proof=proof, artefact=file, place=place)
        found = certificate.result.threats[0]
        latency = bench(file, against=plain)
        rows.append(
            {
                "model": slim.architecture,
                "precision": precision.value,
                "bytes": len(file),
                "parity": to_plain(parity),
                "threat": str(threat),
                "clean_accuracy": certificate.result.clean_accuracy,
                "robust_accuracy": found.robust_accuracy,
                "interval": found.interval,
                "battery": found.battery,
                "flags": [flag.id for flag in found.flags],
                "num_certified": options.num_images,
                "latency": to_plain(latency),
            }
        )
        write_rows(FOLDER / f"{options.name or options.checkpoint.stem}.json", rows)


if __name__ == "__main__":
    main()
