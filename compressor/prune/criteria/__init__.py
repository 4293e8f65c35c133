"""Ways to say which filters matter, one file each, with the paper it comes from.

| name | what leaves first | needs training images |
|---|---|---|
| l1 | filters with a small sum of absolute weights | no |
| l2 | filters with a small norm | no |
| fpgm | filters close to all others of their layer | no |
| bn-scale | channels that batch normalisation scales down | no |
| taylor | units whose removal changes the loss least, to first order | yes |
| random | any | no |
"""

from compressor.prune.criteria import bn_scale, fpgm, l1, l2, random, taylor
from compressor.prune.criteria.contract import Criterion, Material, Scores

CRITERIA: dict[str, Criterion] = {
    "l1": Criterion(score=l1.score, source="arXiv 1608.08710"),
    "l2": Criterion(score=l2.score, source="arXiv 1808.06866"),
    "fpgm": Criterion(score=fpgm.score, source="arXiv 1811.00250"),
    "bn-scale": Criterion(score=bn_scale.score, source="arXiv 1708.06519"),
    "taylor": Criterion(score=taylor.score, source="arXiv 1906.10771", needs_images=True),
    "random": Criterion(score=random.score, source="arXiv 1801.10447"),
}
"""Every criterion by the name that `--criterion` takes."""

__all__ = ["CRITERIA", "Criterion", "Material", "Scores"]
