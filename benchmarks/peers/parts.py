"""What is measured: who prunes, who attacks, with which script, in which environment."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import ROOT, digest_of_code

SCRIPTS = ROOT / "benchmarks" / "peers" / "scripts"
TRAINING = ("benchmarks/peers/scripts/training.py",)
"""What somebody with a trained network has already."""
OURS = ("compressor/load", "compressor/prune", "compressor/finetune", "compressor/data", "compressor/export")
OUR_BATTERY = ("compressor/attacks", "compressor/certify")
"""What rows on robustness come from, besides."""
CERTIFY = "compress_certify.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Somebody's way to the same goal."""

    name: str
    """Of its row and its folder."""
    script: str
    """In `scripts/`."""
    packages: tuple[str, ...]
    """Distributions whose versions its row holds; the first is the peer."""
    normalises: bool = True
    """Whoever runs its file has to normalise images first."""

    @property
    def path(self) -> Path:
        """The script."""
        return SCRIPTS / self.script

    @property
    def is_ours(self) -> bool:
        """Whether it is a command line of ours."""
        return self.script.endswith(".sh")

    def code(self) -> str:
        """Return the digest of the code that can change its row."""
        ours = (*OURS, *OUR_BATTERY) if self.script == CERTIFY else OURS
        shared = ours if self.is_ours else (*TRAINING, "benchmarks/peers/scripts/network.py")
        return digest_of_code((f"benchmarks/peers/scripts/{self.script}", *shared))


TORCH = ("torch", "torchvision", "onnx", "onnxscript")
SLIM = (
    Part(name="ours", script="compress_prune.sh", packages=("compress", *TORCH), normalises=False),
    Part(name="ours-inner", script="compress_prune_inner.sh", packages=("compress", *TORCH), normalises=False),
    Part(name="control", script="dense.py", packages=TORCH),
    Part(name="torch-pruning-readme", script="torch_pruning_readme.py", packages=("torch-pruning", *TORCH)),
    Part(name="torch-pruning", script="torch_pruning_inner.py", packages=("torch-pruning", *TORCH)),
    Part(name="modelopt", script="modelopt_fastnas.py", packages=("nvidia-modelopt", "torchprofile", *TORCH)),
    Part(name="nncf", script="nncf_prune.py", packages=("nncf", "torchao", *TORCH)),
)
"""Ours first: the others' files are timed against its file."""

ATTACKERS = ("torchattacks", "torch", "compress")
ATTACKS = (
    Part(name="quick", script=CERTIFY, packages=ATTACKERS[1:]),
    Part(name="torchattacks PGD-40", script="torchattacks_pgd.py", packages=ATTACKERS),
    Part(name="standard", script=CERTIFY, packages=ATTACKERS[1:]),
    Part(name="torchattacks AutoAttack", script="torchattacks_autoattack.py", packages=ATTACKERS),
    Part(name="full", script=CERTIFY, packages=ATTACKERS[1:]),
)
ROUNDS = (*(each.name for each in ATTACKS), *(each.name for each in ATTACKS[:-1]))
"""The order in which they run: all but the dearest twice."""
THREAT = "linf:1/255"
"""As in the scripts."""
