"""What the clusters are: labels from regions, spreading, forests, Monte Carlo, diagrams."""
