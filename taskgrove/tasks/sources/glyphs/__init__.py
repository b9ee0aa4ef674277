"""Tasks without a download: characters of many scripts, drawn from fonts (`glyphs:<script>`)."""
