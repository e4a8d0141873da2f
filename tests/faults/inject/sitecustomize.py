"""Faults inside the processes of a survey: Python imports this module when it starts.

The folder of this file is on PYTHONPATH of the survey under test. `SURVEY_FAULTS` is JSON:

- `root`: the run directory, with a slash at its end;
- `tokens`: a folder of files named ROLE-N-SIGNAL. A process of that role (driver or worker) sends
  itself the signal just before its Nth change of a file below `root`. The first process that gets
  there takes the token away, so that it acts once;
- `poison`: a path; a worker that opens it dies, always;
- `clock`: role, offset_s and after: the wall clock of that role jumps so far at that change;
- `trace`: a file that gets a line for every change that the driver makes below `root`.

Changes are seen by an audit hook of Python. What C++ writes (the content of Parquet files) is
seen when it is flushed.
"""

import itertools
import json
import os
import sys
import time


def _install(faults):
    worker = "--multiprocessing-fork" in sys.orig_argv
    role = "worker" if worker else "driver"
    root, tokens, poison = faults["root"], faults.get("tokens"), faults.get("poison")
    clock = faults.get("clock")
    trace = faults.get("trace") if role == "driver" else None
    offset_s = [0.0]
    if clock:
        # From the beginning, for those who import the function and not the module.
        real_time = time.time
        time.time = lambda: real_time() + offset_s[0]
    changes = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.symlink", "os.truncate"}
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    counter = itertools.count(1)  # threads write too

    def changed(event, path):
        if not path.startswith(root):
            return
        count = next(counter)
        if clock and clock["role"] == role and count == clock["after"]:
            offset_s[0] = clock["offset_s"]
        if trace:
            with open(trace, "a") as file:  # noqa: PTH123 (outside root, so not counted)
                file.write(f"{count} {event} {path.removeprefix(root)}\n")
        if not tokens:
            return
        for token in os.listdir(tokens):  # noqa: PTH208
            name, number, signal = token.split("-")
            if name == role and int(number) == count:
                try:
                    os.unlink(os.path.join(tokens, token))  # noqa: PTH108, PTH118
                except FileNotFoundError:
                    return
                os.kill(os.getpid(), int(signal))

    def heard(event, arguments):
        if event == "open":
            path, _, flags = arguments
            if poison and worker and str(path) == poison:
                os.kill(os.getpid(), 9)
            if isinstance(path, str) and (flags or 0) & writing:
                changed(event, path)
        elif event in changes:
            # A symbolic link is named second, everything else first.
            changed(event, os.fsdecode(arguments[1 if event == "os.symlink" else 0]))

    def counted_fsync(descriptor):
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        changed("os.fsync", os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115
        fsync(descriptor)

    sys.addaudithook(heard)
    fsync, os.fsync = os.fsync, counted_fsync


if "SURVEY_FAULTS" in os.environ:
    _install(json.loads(os.environ["SURVEY_FAULTS"]))
