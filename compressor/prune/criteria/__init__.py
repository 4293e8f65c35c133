"""Ways to say which filters matter, one file each, with the paper it comes from.

| name | what leaves first | needs training images |
|---|---|---|
| l1 | filters with a small sum of absolute weights | no |
| l2 | filters with a small norm | no |
| lamp | filters with a small share of what would be left of their layer | no |
| fpgm | filters close to all others of their layer | no |
| bn-scale | channels that batch normalisation scales down | no |
| expected-abs | filters whose maps are small on average | yes |
| hrank | filters whose maps have a low rank | yes |
| kl | units whose absence changes the class distribution least | yes |
| pls | filters that say least about the class (PLS and VIP) | yes |
| taylor | units whose removal changes the loss least, to first order | yes |
| hessian | the same to second order, by the Fisher information | yes |
| robust | as taylor, for the loss on adversarial examples | yes |
| random | any | no |
"""

from compressor.prune.criteria import (
    bn_scale,
    expected_abs,
    fpgm,
    hessian,
    hrank,
    kl,
    l1,
    l2,
    lamp,
    pls,
    random,
    robust,
    taylor,
)
from compressor.prune.criteria.contract import Criterion, Material, Scores

CRITERIA: dict[str, Criterion] = {
    "l1": Criterion(score=l1.score, source="arXiv 1608.08710"),
    "l2": Criterion(score=l2.score, source="arXiv 1808.06866"),
    "lamp": Criterion(score=lamp.score, source="arXiv 2010.07611"),
    "fpgm": Criterion(score=fpgm.score, source="arXiv 1811.00250"),
    "bn-scale": Criterion(score=bn_scale.score, source="arXiv 1708.06519"),
    "expected-abs": Criterion(score=expected_abs.score, source="arXiv 2207.06646", needs_images=True),
    "hrank": Criterion(score=hrank.score, source="arXiv 2002.10179", needs_images=True),
    "kl": Criterion(score=kl.score, source="arXiv 1911.08114", needs_images=True),
    "pls": Criterion(score=pls.score, source="arXiv 1810.07610", needs_images=True),
    "taylor": Criterion(score=taylor.score, source="arXiv 1906.10771", needs_images=True),
    "hessian": Criterion(score=hessian.score, source="arXiv 1801.05787", needs_images=True),
    "robust": Criterion(score=robust.score, source="arXiv 2410.15176", needs_images=True),
    "random": Criterion(score=random.score, source="arXiv 1801.10447"),
}
"""Every criterion by the name that `--criterion` takes."""

__all__ = ["CRITERIA", "Criterion", "Material", "Scores"]
