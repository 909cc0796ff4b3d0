"""The web page of `riqa serve`.

app       the ASGI application: a form, and the report as the answer
openapi   what it offers to programs, as an OpenAPI document
uploads   reads what people send, and refuses it in one friendly line
results   the answers that are still held
connections   how many there are, and how slow one may be
limits    how much is accepted, and how long an answer is kept
"""
