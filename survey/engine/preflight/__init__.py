"""What workers have to have, and which of them get galaxies."""
