"""Classification of all clusters of a survey, and runs that end with one."""
