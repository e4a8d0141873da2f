"""Pictures and pages of what a survey found."""
