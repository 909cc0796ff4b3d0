"""The web page of `riqa serve`.

app       the ASGI application: a form, and the report as the answer
uploads   reads what people send, and refuses it in one friendly line
limits    how much is accepted, and how long an answer is kept
"""
