"""How much to believe of every galaxy of a run: tasks, parts, tables."""
