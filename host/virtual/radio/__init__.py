"""The air around virtual boards: radios, centrals and what goes wrong between them (bumble; a development extra)."""
