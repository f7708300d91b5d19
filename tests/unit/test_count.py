# SPDX-License-Identifier: Apache-2.0
"""scripts/count_tests.py: a failure that it misses would go unseen."""
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "count_tests.py"
CMOCKA_GOOD = "[==========] 3 test(s) run.\n[  PASSED  ] 3 test(s).\n"
CMOCKA_BAD = """[  PASSED  ] 2 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  FAILED  ] 4 test(s), listed below:
[  FAILED  ] one
"""


def count(tmp_path, *cases):
    path = tmp_path / "results.xml"
    path.write_text("<testsuite>" + "".join(cases) + "</testsuite>")
    done = subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True)
    return done.stdout.strip(), done.returncode


def case(status="run", inside="", out=""):
    return f'<testcase status="{status}">{inside}<system-out>{out}</system-out></testcase>'


def test_programs_count_as_their_cases(tmp_path):
    good = case(out=CMOCKA_GOOD)
    assert count(tmp_path, good, good) == ("6 passed, 0 failed, 0 skipped", 0)
    bad = case("fail", "<failure/>", CMOCKA_BAD)
    assert count(tmp_path, good, bad) == ("5 passed, 4 failed, 1 skipped", 1)
    other = case(out="text\n7 passed, 0 failed, 2 skipped\n")
    assert count(tmp_path, other) == ("7 passed, 0 failed, 2 skipped", 0)
    assert count(tmp_path, case(out="silent")) == ("1 passed, 0 failed, 0 skipped", 0)


def test_crashes_count_as_failures(tmp_path):
    crash = case("fail", "<failure/>", CMOCKA_GOOD)
    assert count(tmp_path, crash) == ("3 passed, 1 failed, 0 skipped", 1)
    assert count(tmp_path, case("fail", "<failure/>")) == ("0 passed, 1 failed, 0 skipped", 1)


def test_missing_programs_and_files_count_as_failures(tmp_path):
    lost = case("notrun", '<skipped message="Unable to find executable"/>')
    assert count(tmp_path, lost) == ("0 passed, 1 failed, 0 skipped", 1)
    asked = case("notrun", '<skipped message="SKIP_RETURN_CODE=77"/>')
    assert count(tmp_path, asked) == ("0 passed, 0 failed, 1 skipped", 0)
    done = subprocess.run([sys.executable, SCRIPT, tmp_path / "none.xml"], capture_output=True,
                          text=True)
    assert done.stdout.strip().endswith("0 passed, 1 failed, 0 skipped")
    assert done.returncode == 1


def test_pytest_results(tmp_path):
    plain = '<testcase name="a"/>'
    skipped = '<testcase name="b"><skipped type="pytest.skip"/></testcase>'
    error = '<testcase name="c"><error/></testcase>'
    assert count(tmp_path, plain, skipped, error) == ("1 passed, 1 failed, 1 skipped", 1)
