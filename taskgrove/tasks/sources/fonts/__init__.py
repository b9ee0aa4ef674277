"""Tasks from a folder of fonts: `fonts:<script>@<folder>`."""
