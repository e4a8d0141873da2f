"""The few functions for notebooks, which `survey` itself offers: see its `__all__`."""
