"""The two errors a user can cause; every command turns them into one line on stderr and exit code 2."""


class ImageError(ValueError):
    """An image that cannot be used; the message names the file, what is wrong and the remedy."""


class UsageError(ValueError):
    """An option, folder or file that cannot be used; the message names the value, what was expected and the remedy."""
