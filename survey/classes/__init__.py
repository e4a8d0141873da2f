"""Classes of the clusters: labels from regions, methods of classification, draws, diagrams."""
