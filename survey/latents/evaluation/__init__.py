"""The evaluation of latents: downstream tasks, scores and benchmarks."""
