"""Where a signal takes effect in the process that receives it."""

import subprocess
import sys

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


def test_ctrl_c_waits_for_the_end_of_an_import(tmp_path):
    (tmp_path / "interrupted_in.py").write_text(MODULE)
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r})\n{PROGRAM}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout, ended.stderr) == ("True\n", "")
