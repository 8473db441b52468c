"""What the pages share: session, forms, charts, the live chart and the theme."""
