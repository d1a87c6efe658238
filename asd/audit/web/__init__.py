"""The audit as pages: rendered on the server, readable without scripts, nothing from another host."""
