"""Methods of classification behind one interface: regression, Gaussians, forests."""
