"""The pages of a run: an index, one page for every galaxy, and the classes of all.

Python writes data and fills templates. The drawing is done by the scripts in `survey/report/static`
with BokehJS, which lies once beside the pages, so that they open from disk without a network.
"""
