"""Pictures of the papers, each with the numbers behind it as a tidy table."""
