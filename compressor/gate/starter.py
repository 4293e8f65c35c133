"""A first policy, written from what was measured: `compress gate --init`.

The figures demanded are those that the measured model meets now, so that the policy passes today and notices a loss
tomorrow. Epsilons are those at which the model keeps 30 to 70 %: below, nothing is left to lose; above, hardly
anything is asked.
"""

import math

from compressor.attacks.threat import Threat, parse_threat
from compressor.bench.record import Latency
from compressor.certify.certificate import Certificate, Result
from compressor.gate import wording
from compressor.types import Norm

LEAST_KEPT, MOST_KEPT = 0.3, 0.7
MOST_THREATS = 2
"""Of one norm; each costs a battery run."""

HEADER = """\
# What a model must show before it ships. Judge with: compress gate EVIDENCE --policy policy.toml
# Shares are fractions in [0, 1]. "At least" holds when the lower end of the interval reaches it; "drop at most" when
# the upper end of the difference stays within it. An unknown key is an error. compress gate --explain ID tells more.
schema = "compress.policy/1"
"""

TAIL = """
[parity]
min_agreement = 0.999      # the ONNX file answers as the torch model does

[evidence]
battery = "{battery}"
min_images = {num_images}
seed = {seed}                   # fixed, so that nobody tries seeds until one passes
max_age = "30d"
max_duplicates = {duplicates}         # test images that training saw
{data}
[waivers]
allowed = []               # ids that may block without stopping, until the day below
# expires = "2027-01-01"
"""


def starter_policy(certificate: Certificate | None, latency: Latency | None = None) -> str:
    """Return a commented policy as TOML.

    Args:
        certificate: of the model whose level is to be kept, best with a curve over epsilon; None writes a template.
        latency: timed against the dense model; None leaves latency out.
    """
    result = certificate.result if certificate else None
    parts = [HEADER, _accuracy(result), _robustness(result), _size(result), _latency(latency)]
    attacked = result.threats[0].battery if result and result.threats else "standard"
    pin = f'data_sha256 = "{result.data.sha256}"   # exactly these images' if result else '# data_sha256 = "..."'
    tail = TAIL.format(
        battery=attacked.replace("\\", "\\\\").replace('"', '\\"'),
        num_images=result.data.num_images if result else 1000,
        seed=result.seed if result else 0,
        duplicates=result.data.duplicates_with_train if result else 0,
        data=pin if result else f"{pin}     # the images used, to pin them\n",
    )
    return "".join([*parts, tail])


def _floor(share: float) -> float:
    """Return a share rounded down to whole percents: today's model passes it."""
    return math.floor(share * 100 + 1e-9) / 100


def _accuracy(result: Result | None) -> str:
    if result is None:
        measured, limit = "", 0.9
    else:
        measured = f"   # measured {wording.percent(result.clean_accuracy)} {wording.bracket(result.clean_interval)}"
        limit = _floor(result.clean_interval[0])
    return (
        f"\n[accuracy]\nmin = {limit:g}{measured}\nmax_drop = 0.02            # against the baseline, the model as "
        "delivered\n# max_class_drop = 0.05    # of any one class\n# max_ece = 0.05           # calibration\n"
    )


def kept_shares(result: Result) -> list[tuple[Threat, float, float | None]]:
    """Return what is known to stay right: threat, share, and the lower end of its interval when it has one.

    A battery's own result comes before a point of the curve at the same threat.
    """
    known: dict[Threat, tuple[float, float | None]] = {
        parse_threat(f"{point.norm}:{point.epsilon}"): (point.accuracy, None) for point in result.curve
    }
    known |= {each.threat: (each.robust_accuracy, each.interval[0]) for each in result.threats}
    return sorted(
        ((threat, share, low) for threat, (share, low) in known.items()),
        key=lambda each: (each[0].norm, each[0].epsilon),
    )


def telling_threats(result: Result) -> list[tuple[Threat, float, float | None]]:
    """Return the threats at which 30 to 70 % is kept, at most two of each norm, nearest to one half first chosen."""
    telling = [each for each in kept_shares(result) if LEAST_KEPT <= each[1] <= MOST_KEPT]
    chosen: list[tuple[Threat, float, float | None]] = []
    for each in sorted(telling, key=lambda each: abs(each[1] - 0.5)):
        if sum(other[0].norm == each[0].norm for other in chosen) < MOST_THREATS:
            chosen.append(each)
    return sorted(chosen, key=lambda each: (each[0].norm, each[0].epsilon))


def in_steps_of_255(threat: Threat) -> str:
    """Return a threat as people write it: `linf:48/255`, not the same in lowest terms, where that is exact."""
    steps = threat.epsilon * 255
    is_whole = threat.norm is Norm.LINF and steps.denominator == 1 and threat.epsilon < 1
    return f"{threat.norm}:{steps}/255" if is_whole else str(threat)


def _robustness(result: Result | None) -> str:
    if result is None:
        return (
            "\n# Choose epsilons at which the delivered model keeps 30 to 70 %: certify it without --threat for its "
            'curve.\n# [[robustness]]\n# threat = "linf:2/255"\n# min = 0.45\n# max_drop = 0.02\n'
        )
    chosen = telling_threats(result)
    if not chosen:
        seen = (
            ", ".join(f"{in_steps_of_255(threat)} {wording.percent(share)}" for threat, share, _ in kept_shares(result))
            or "nothing"
        )
        return (
            f"\n# Measured: {seen}. No epsilon keeps 30 to 70 %, where a demand would mean most; certify without"
            '\n# --threat for the whole curve, then demand for example:\n# [[robustness]]\n# threat = "linf:1/255"\n'
            "# min = 0.3\n# max_drop = 0.02\n"
        )
    return "".join(_one_threat(*each) for each in chosen)


def _one_threat(threat: Threat, share: float, low: float | None) -> str:
    if low is None:
        story, limit = f"the curve says {wording.percent(share)}; the battery may find less", _floor(share - 0.05)
    else:
        story, limit = f"measured {wording.percent(share)}, lower end {wording.percent(low)}", _floor(low)
    return f'\n[[robustness]]\nthreat = "{in_steps_of_255(threat)}"\nmin = {limit:g}   # {story}\nmax_drop = 0.02\n'


def _size(result: Result | None) -> str:
    if result is None:
        return '\n[size]\n# max_bytes = "2MB"\n# max_macs = "50M"\n# max_params = "1M"\n'
    return (
        f'\n[size]\n# max_bytes = "2MB"\nmax_macs = {result.model.macs}        # as measured; ask for less\n'
        f"max_params = {result.model.params}      # as measured; ask for less\n"
    )


def _latency(latency: Latency | None) -> str:
    if latency is None or not latency.rows:
        return (
            '\n# [[latency]]\n# provider = "cpu"\n# batch = 1\n# threads = 1\n'
            "# max_ratio_p50 = 0.8   # slim / dense, timed in turn\n"
        )
    row = latency.rows[0]
    where = f'\n[[latency]]\nprovider = "{row.provider}"\nbatch = {row.batch}\nthreads = {row.threads}\n'
    if latency.against is None:
        return where + f"max_p50_ms = {_ceiling(row.p50_ms * 1.2)}   # measured {row.p50_ms:.3g} ms; a fifth of slack\n"
    limit = _ceiling(latency.against.ratio_interval[1])
    return (
        where + f"max_ratio_p50 = {limit}   # slim / dense, timed in turn; measured {latency.against.ratio_p50:.2f}\n"
    )


def _ceiling(value: float) -> float:
    """Return a figure rounded up to hundredths: what was measured stays within it."""
    return math.ceil(value * 100 - 1e-9) / 100
