"""Ways to say which blocks matter, one file each, with the paper it comes from.

| name | what leaves first | needs training images |
|---|---|---|
| cka | the block without which the features stay most alike, by linear kernel alignment | yes |
| consensus | the block that several measures of likeness agree on | yes |
| pls | the block whose contribution says least about the label | yes |
| l1 | the block with the smallest mean absolute weight | no |
| random | any | no |
"""

from compressor.prune.block_criteria import cka, consensus, l1, pls, random
from compressor.prune.block_criteria.contract import BlockCriterion, BlockScores
from compressor.prune.block_criteria.probe import Probe

BLOCK_CRITERIA: dict[str, BlockCriterion] = {
    "cka": BlockCriterion(score=cka.score, source="arXiv 2405.17081", num_images=128, tries_each=True),
    "consensus": BlockCriterion(score=consensus.score, source="arXiv 2411.14345", num_images=128, tries_each=True),
    "l1": BlockCriterion(score=l1.score, source="arXiv 1608.08710"),
    "pls": BlockCriterion(score=pls.score, source="doi 10.1109/JSTSP.2020.2975987", num_images=512),
    "random": BlockCriterion(score=random.score, source="arXiv 1801.10447"),
}
"""Every block criterion by its name."""

__all__ = ["BLOCK_CRITERIA", "BlockCriterion", "BlockScores", "Probe"]
