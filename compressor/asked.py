"""What a release is asked for: refused at once where it cannot be, and filled in with what the policy names."""

from compressor.certify.battery import read_battery
from compressor.certify.refusing import check_auditing, check_proving
from compressor.errors import OptionError
from compressor.gate.judge import check_accepted
from compressor.gate.policy import Policy, read_policy, threats_of
from compressor.runtime.trial import tried
from compressor.task import Task, Timing


def admitted(task: Task) -> Policy:
    """Return the policy of a release, once all that was asked for is known to be possible here.

    A search and both estimates begin with this too, so that none refuses later what another refuses at once.

    Raises:
        PolicyError: the policy cannot be judged by.
        OptionError: an unknown battery, a proof or an audit of nothing, or a batch that the file would not take.
        MachineError: a provider that is timed on does not load; said before hours of work that would end with it.
    """
    policy = read_policy(task.policy)
    check_accepted(policy, task.accept)
    read_battery(battery_of(task, policy))
    threats = threats_of(policy)
    check_proving(prove=task.prove, threats=threats)
    check_auditing(audit=task.audit, threats=threats)
    timings, batch = timings_of(task, policy), task.form.fixed_batch
    if batch is not None and (others := [each for timing in timings for each in timing.batches if each != batch]):
        raise OptionError(
            f"--export-batch {batch} writes a file for batches of {batch} alone, and batches of {others[0]} are timed",
            advice=f"time batches of {batch} (--batch, or batch in [[latency]]), or leave --export-batch out",
        )
    for provider in dict.fromkeys(each.provider for each in timings):
        tried(provider)
    return policy


def battery_of(task: Task, policy: Policy) -> str:
    """Return the battery, or its file: `standard` where nobody says another."""
    return task.battery or policy.evidence.battery or "standard"


def timings_of(task: Task, policy: Policy) -> list[Timing]:
    """Return what is timed: as the user says, or what the policy's latency rows name; one plain row without any."""
    if task.timing:
        return [task.timing]
    rows = [Timing(provider=row.provider, batches=(row.batch,), threads=row.threads) for row in policy.latency]
    return list(dict.fromkeys(rows)) or [Timing(batches=(task.form.fixed_batch or 1,))]
