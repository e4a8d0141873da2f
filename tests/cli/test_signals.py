"""Where a signal takes effect in the process that receives it."""

import subprocess
import sys

import pytest

MODULE = """\
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.2)
whole = True
"""
PROGRAM = """\
import sys, time
from survey.cli.signals import handle_signals
handle_signals()
try:
    import interrupted_in
    time.sleep(10)
except KeyboardInterrupt:
    print(sys.modules["interrupted_in"].whole)
"""


LAST_MOMENTS = """\
import os, signal, time, weakref
from survey.cli.signals import handle_signals
handle_signals()

class Ends:
    def __del__(self):
        end()

class IsWatched:
    pass

def end():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)
    print("whole", flush=True)

try:
    {how}
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("how", ["Ends()", "weakref.finalize(one := IsWatched(), end); del one"])
def test_ctrl_c_is_not_lost_in_the_end_of_an_object(how):
    ended = subprocess.run(
        [sys.executable, "-c", LAST_MOMENTS.format(how=how)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout, ended.stderr) == ("whole\ninterrupted\n", "")


def test_ctrl_c_waits_for_the_end_of_an_import(tmp_path):
    (tmp_path / "interrupted_in.py").write_text(MODULE)
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r})\n{PROGRAM}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout, ended.stderr) == ("True\n", "")
