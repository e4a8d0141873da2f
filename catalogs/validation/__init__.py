"""What `survey validate` publishes, and the thresholds of its verdicts."""
