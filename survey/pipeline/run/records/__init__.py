"""What a run writes and counts of itself: its log, its totals, its metrics."""
