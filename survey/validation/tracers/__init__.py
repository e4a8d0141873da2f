"""Whether clusters follow a map that was made without them: statistics and their nulls."""
