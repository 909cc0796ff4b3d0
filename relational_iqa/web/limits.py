"""What `riqa serve` accepts and how long it keeps an answer, in a module that imports nothing."""

MAX_MB = 64.0
"""Of one request, all files together."""
MAX_IMAGES = 12
"""In one request, without the reference."""
MAX_WEB_PIXELS = 50_000_000
"""Of one image: some dozens of them are held at once."""
IN_FLIGHT_REQUESTS = 4
"""Requests of the largest size whose bytes are held at once while they arrive or wait for their turn."""
KEEP_MINUTES = 30
KEEP_MB = 2000.0
"""Of pages and images of results, all together."""
MAX_CONNECTIONS = 64
SLOWEST_BYTES_S = 10_000
"""Of a request that arrives, and of an answer that is taken; slower connections are closed."""
PATIENCE_S = 20.0
"""How long a connection may be slower than that."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Names under which this computer may be asked by a browser on it."""
