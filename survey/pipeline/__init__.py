"""One galaxy (`galaxy`), an archive of them (`run`), and the classes of all (`classification`).

`ratios` and `reference` are used by all three, so they are beside them.
"""
