"""Counts what the Autobahn Testsuite found: report.py FOLDER [CASES]. Fails if a case failed, closed badly, is not implemented, or
did not run."""

import collections
import json
import sys

BAD_BEHAVIOR = ("FAILED", "UNIMPLEMENTED")
BAD_CLOSE = ("FAILED", "WRONG CODE", "UNCLEAN")


def main(folder, expected=None):
    with open(f"{folder}/index.json") as file:
        cases = json.load(file)["tutti"]
    for what in ("behavior", "behaviorClose"):
        counts = collections.Counter(case[what] for case in cases.values())
        print(f"{what}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    bad = [
        f"{name}: {case['behavior']}, close {case['behaviorClose']}"
        for name, case in cases.items()
        if case["behavior"] in BAD_BEHAVIOR or case["behaviorClose"] in BAD_CLOSE
    ]
    if expected is not None and len(cases) != int(expected):
        bad.append(f"{len(cases)} cases ran, not {expected}")
    print(f"{len(cases)} cases, {len(bad)} of them wrong; each is described in {folder}/index.html")
    sys.exit("\n".join(bad) if bad else 0)


main(*sys.argv[1:])
