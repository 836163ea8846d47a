"""REST: one router a noun. Routes translate; the services of ``actors`` decide."""
