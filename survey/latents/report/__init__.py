"""Tables and figures of representations."""
