"""OneRecord as its guide describes it: directory, redirector and integrator, scripted by scenarios."""
