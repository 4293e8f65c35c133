"""Tables of the benchmark pages, and where their rows were made."""

from collections.abc import Iterable, Mapping, Sequence

NAMES = ("torch", "torchvision", "torchattacks", "torch-pruning", "onnxruntime-gpu", "onnxruntime", "numpy")
"""Libraries whose versions a page names; the rows hold all of them."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, num_left: int = 1) -> str:
    """Return a table whose first columns hold text and whose others hold numbers."""
    rule = ["---"] * num_left + ["---:"] * (len(head) - num_left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def origin(
    created: Iterable[str], hosts: Iterable[Mapping[str, str | int]], versions: Iterable[Mapping[str, str]]
) -> str:
    """Return one sentence: when, where and with what something was measured."""
    days = sorted({when[:10] for when in created})
    machines = sorted({_machine(host) for host in hosts})
    used = list(versions)
    found = {name: sorted({each[name] for each in used if name in each}) for name in NAMES}
    text = ", ".join(f"{name} {' and '.join(values)}" for name, values in found.items() if values)
    period = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Measured {period} on {'; '.join(machines)}, with {text}."


def _machine(host: Mapping[str, str | int]) -> str:
    gpu = f", {host['gpu']}" if host["gpu"] else ""
    return f"{host['cpu']} ({host['cores']} cores{gpu})"
