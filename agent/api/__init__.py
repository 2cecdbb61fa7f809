"""The REST door: thin routes over one engine a process. `limner.server` runs them."""
