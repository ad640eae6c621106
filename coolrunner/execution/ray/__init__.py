"""Ray: jobs on a cluster of its own making or of somebody else's."""
