"""What a release attacks with and times: what the user says, or else what the policy names."""

from compressor.gate.policy import Policy
from compressor.runtime.trial import tried
from compressor.task import Task, Timing


def battery_of(task: Task, policy: Policy) -> str:
    """Return the battery, or its file: `standard` where nobody says another."""
    return task.battery or policy.evidence.battery or "standard"


def usable_timings(task: Task, policy: Policy) -> list[Timing]:
    """Return what is timed, once every provider in it has run something here.

    Raises:
        MachineError: one does not load; said before hours of work that would end with it.
    """
    timings = [task.timing] if task.timing else timings_of(policy)
    for provider in dict.fromkeys(each.provider for each in timings):
        tried(provider)
    return timings


def timings_of(policy: Policy) -> list[Timing]:
    """Return what the policy's latency rows name, so that each finds its evidence; one plain row without any."""
    rows = [Timing(provider=row.provider, batches=(row.batch,), threads=row.threads) for row in policy.latency]
    return list(dict.fromkeys(rows)) or [Timing()]
