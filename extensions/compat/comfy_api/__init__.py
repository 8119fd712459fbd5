"""The ecosystem's versioned node interface."""
