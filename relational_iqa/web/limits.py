"""What `riqa serve` accepts and how long it keeps an answer, in a module that imports nothing."""

MAX_MB = 64.0
"""Of one request, all files together."""
MAX_IMAGES = 12
"""In one request, without the reference."""
MAX_WEB_PIXELS = 50_000_000
"""Of one image: some dozens of them are held at once."""
KEEP_RESULTS = 4
KEEP_MINUTES = 30
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Names under which this computer may be asked by a browser on it."""
