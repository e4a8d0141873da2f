"""The classes of all clusters of a survey."""
