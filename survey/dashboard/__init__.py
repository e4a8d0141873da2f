"""A live page of a run: what is done, what is under way, what failed, how long it will take.

The page is served from this machine to its own browser and asks every few seconds for the state,
which is read from the run directory. So it also shows a finished run, and one that another machine
works on.
"""
