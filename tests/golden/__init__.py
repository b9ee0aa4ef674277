"""Small whole runs on real data, with the accuracy they must reach."""
