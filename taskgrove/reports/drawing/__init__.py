"""Means of drawing that charts share: colours, layouts, labels, figures as bytes."""
