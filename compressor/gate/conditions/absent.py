"""What to say when evidence is missing."""

NO_CERTIFICATE = "there is no certificate: undecided, make one with compress certify"
NO_BASELINE = (
    "the certificate compares with no baseline: undecided, make it with compress certify --baseline CHECKPOINT"
)
NO_PARITY = "there is no parity record: undecided, make one with compress export"
NO_LATENCY = "there is no latency record: undecided, make one with compress bench"
ONLY_REPLAYED = (
    "only targets replayed the file, which compares it with itself and not with torch: undecided, name the bundle's "
    "own parity.json too"
)
