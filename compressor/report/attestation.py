"""An in-toto statement about model.onnx: which conditions it passed, by which policy, on which evidence.

Source: in-toto Statement v1 and the predicate test-result v0.1 (https://in-toto.io/attestation/test-result/v0.1).
It is not signed here; sign the file with the tool of your choice.
"""

import json
from pathlib import PurePath

from compressor.gate.verdict import Verdict
from compressor.types import Decision

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def attestation(verdict: Verdict, *, model_sha256: str) -> bytes:
    """Return the statement as JSON.

    PASSED is a verdict without exceptions. WARNED is one that passed because somebody accepted what blocked: a reader
    that wants none of that asks for PASSED. Failed and undecided are both FAILED, because both block.

    Args:
        verdict: to state.
        model_sha256: digest of the file it is about.
    """
    accepted = {each.id for each in verdict.accepted}
    passed = [each.id for each in verdict.conditions if each.decision is Decision.PASSED]
    warned = [each.id for each in verdict.conditions if each.id in accepted]
    failed = [each.id for each in verdict.conditions if each.id not in accepted and each.id not in passed]
    result = "FAILED" if verdict.decision is not Decision.PASSED else "WARNED" if warned else "PASSED"
    configuration = [{"name": PurePath(verdict.policy.source).name, "digest": {"sha256": verdict.policy.sha256}}]
    configuration += [{"name": "evidence", "digest": {"sha256": digest}} for digest in verdict.evidence]
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": "model.onnx", "digest": {"sha256": model_sha256}}],
        "predicateType": PREDICATE,
        "predicate": {
            "result": result,
            "configuration": configuration,
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
        },
    }
    return (json.dumps(statement, indent=2) + "\n").encode()
