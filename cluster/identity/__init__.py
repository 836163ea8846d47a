"""Who is calling and what they may do: keys, tokens, tickets, roles.

Tokens are JWTs signed with a key that the first start makes. ``exp iat sub iss aud jti`` are
required of every one, the algorithm is fixed by the key and never taken from the token, and access
tokens and socket tickets carry different ``typ`` headers so that neither passes for the other
(RFC 8725 §3.1, §3.11). A token never reaches a log.
"""
