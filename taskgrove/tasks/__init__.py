"""What to learn: tasks, where their images come from, and how images are prepared."""
