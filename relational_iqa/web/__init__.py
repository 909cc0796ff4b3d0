"""The web page of `riqa serve`: `app` is the ASGI application, `uploads` reads and refuses what people send."""
