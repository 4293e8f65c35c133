"""A CycloneDX 1.6 bill of materials of model.onnx, with its model card.

Source: https://cyclonedx.org/docs/1.6/json/. Written by hand: the format is plain JSON, and its Python library does not
know model cards. The same records give the same bytes.
"""

import json
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from compressor.certify.certificate import Result
from compressor.records import tool_version
from compressor.report.summary import Figure, Summary

Plain = dict[str, Any]

NOT_COVERED = (
    "An attack battery bounds robust accuracy from above; a stronger attack may find more.",
    "Intervals cover the sampling of test images, not a change of the data.",
    "Decoding, resizing and cropping of images happen outside the file.",
    "What is certified is this file under onnxruntime; an engine that another tool builds from it is another artefact.",
)


def sbom(summary: Summary) -> bytes:
    """Return the bill of materials as JSON."""
    reference = f"model.onnx@{summary.model_sha256 or 'unknown'}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, reference)}",
        "version": 1,
        "metadata": {
            "timestamp": summary.created,
            "tools": {"components": _tools(summary)},
            "component": _model(summary, reference),
        },
        "components": _data(summary),
        "dependencies": [{"ref": reference, "dependsOn": [each["bom-ref"] for each in _data(summary)]}],
    }
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()


def _hashes(digest: str | None) -> list[Plain]:
    return [{"alg": "SHA-256", "content": digest}] if digest else []


def _tools(summary: Summary) -> list[Plain]:
    """Return this tool and the libraries that the certificate was made with."""
    versions = summary.certificate.run.versions if summary.certificate else {}
    libraries = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name.lower()}@{version}"}
        for name, version in sorted(versions.items())
        if name != "python"
    ]
    return [{"type": "application", "name": "compress", "version": tool_version()}, *libraries]


def _model(summary: Summary, reference: str) -> Plain:
    model: Plain = {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": summary.name,
        "version": (summary.model_sha256 or "unknown")[:12],
        "hashes": _hashes(summary.model_sha256),
        "modelCard": _card(summary),
    }
    if summary.certificate is not None:
        result = summary.certificate.result
        model["pedigree"] = {"ancestors": _ancestors(result)}
        model["properties"] = [
            {"name": "compress:parameters", "value": str(result.model.params)},
            {"name": "compress:multiply-adds", "value": str(result.model.macs)},
        ]
    return model


def _ancestors(result: Result) -> list[Plain]:
    """Return the checkpoints that the file was made from."""
    name, digest = result.model.architecture, result.model.sha256
    ancestors = [{"type": "machine-learning-model", "name": f"{name} (slim checkpoint)", "hashes": _hashes(digest)}]
    if result.baseline is not None:
        dense = {"type": "machine-learning-model", "name": f"{name} (as delivered)"}
        ancestors.append({**dense, "hashes": _hashes(result.baseline.sha256)})
    return ancestors


def _card(summary: Summary) -> Plain:
    parameters: Plain = {
        "task": "image classification",
        "inputs": [{"format": summary.image.text if summary.image else "images (n, channels, height, width)"}],
        "outputs": [{"format": "float32 logits"}],
    }
    card: Plain = {"modelParameters": parameters, "considerations": {"technicalLimitations": list(NOT_COVERED)}}
    if summary.certificate is not None:
        parameters["modelArchitecture"] = summary.certificate.result.model.architecture
        parameters["datasets"] = [{"ref": each["bom-ref"]} for each in _data(summary)]
        card["quantitativeAnalysis"] = {"performanceMetrics": _metrics(summary)}
    return card


def _metrics(summary: Summary) -> list[Plain]:
    slim = next(column for column in summary.columns if column.name == "slim")
    batteries = [each.battery for each in summary.certificate.result.threats] if summary.certificate else []
    metrics = [_metric("accuracy", slim.accuracy, "clean test images")]
    for threat, battery, figure in zip(summary.threats, batteries, slim.robust, strict=True):
        metrics.append(_metric("robust accuracy", figure, f"{threat}, battery {battery}"))
    return [each for each in metrics if each]


def _metric(kind: str, figure: Figure | None, where: str) -> Plain:
    if figure is None:
        return {}
    metric: Plain = {"type": kind, "value": f"{figure.value:.6g}", "slice": where}
    if figure.interval is not None:
        low, high = figure.interval
        metric["confidenceInterval"] = {"lowerBound": f"{low:.6g}", "upperBound": f"{high:.6g}"}
    return metric


def _data(summary: Summary) -> list[Plain]:
    """Return the images that the certificate used."""
    if summary.certificate is None:
        return []
    data = summary.certificate.result.data
    return [
        {
            "type": "data",
            "bom-ref": f"data@{data.sha256}",
            "name": data.spec,
            "hashes": _hashes(data.sha256),
            "data": [{"type": "dataset", "name": data.spec, "description": f"{data.num_images} images, {data.split}"}],
        }
    ]
