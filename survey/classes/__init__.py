"""Classes of the clusters: labels from regions, spreading, forests, Monte Carlo, diagrams."""
