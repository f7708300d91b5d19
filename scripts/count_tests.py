#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums JUnit files of ctest and pytest: one line `N passed, N failed, N skipped`.

A ctest entry counts as the cases that its program reports: those of cmocka, or the last line of
the form `N passed, N failed[, N skipped]`. A program that reports none, or that fails without a
failed case (a crash, a sanitizer), counts as one. A file that is missing counts as one failure.
"""
import re
import sys
import xml.etree.ElementTree as ET

CMOCKA = re.compile(r"^\[ +(PASSED|FAILED|SKIPPED) *\] (\d+) test\(s\)", re.M)
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def count_entry(case):
    """[passed, failed, skipped] of one entry of a JUnit file."""
    skip = case.find("skipped")
    # ctest says "notrun" both of a test that asked to be skipped and of one that is missing
    asked = skip is not None and skip.get("message", "").startswith("SKIP_")
    lost = case.get("status") == "notrun" and not asked
    if skip is not None and not lost:
        return [0, 0, 1]
    bad = lost or case.find("failure") is not None or case.find("error") is not None
    bad = bad or case.get("status") in ("fail", "disabled")
    text = case.findtext("system-out") or ""
    counts = [0, 0, 0]
    for kind, n in CMOCKA.findall(text):
        counts[("PASSED", "FAILED", "SKIPPED").index(kind)] += int(n)
    summaries = SUMMARY.findall(text)
    if not any(counts) and summaries:
        counts = [int(n or 0) for n in summaries[-1]]
    if bad and not counts[1]:
        counts[1] = 1
    return counts if any(counts) else [1, 0, 0]


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        try:
            entries = [count_entry(c) for c in ET.parse(path).iter("testcase")]
        except (OSError, ET.ParseError) as error:
            print(f"{path}: {error}")
            entries = [[0, 1, 0]]
        for entry in entries:
            total = [a + b for a, b in zip(total, entry)]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
