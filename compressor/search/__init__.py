"""Find the smallest model that passes its policy: candidates on select images, the winner alone on test.

`search` is the verb, `Wanted` says how, `Trials` is the record that travels with the bundle as trials.json.
"""

from compressor.search.record import Candidate, Trial, Trials
from compressor.search.search import Found, search
from compressor.search.wanted import Wanted

__all__ = ["Candidate", "Found", "Trial", "Trials", "Wanted", "search"]
