"""GraphQL over the same services as REST.

``types`` says what there is to see, ``schema`` how it is asked for and within which bounds,
``router`` speaks HTTP: ``/query`` takes queries only, ``/mutation`` mutations only. Names are those
of REST, in snake_case. Errors carry REST's ``code`` in ``extensions``; what was not expected is
logged here and named nowhere else.
"""
