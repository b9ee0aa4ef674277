"""Tables and figures of the papers, from a view and its history; reports only read."""
