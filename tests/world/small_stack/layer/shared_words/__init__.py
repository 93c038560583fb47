"""A package that functions have from their layer alone."""

GREETING = "from the layer"
