"""Wire formats as functions: octets in, values out; no socket, clock or random number.

Promise of every module here: any octets decode, or `DecodeError` is raised.
"""
