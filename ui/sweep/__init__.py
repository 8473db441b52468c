"""The page Sweep: many runs over settings × seeds, from their definition to their results."""
