"""What latents are worth: tasks, scores, uncertainties, anomalies."""
