"""The queue, the protocol and the web server. Nothing here is imported by a run without a server."""
