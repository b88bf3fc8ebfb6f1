"""Read a stack's configuration: from Pulumi's values to a complete layout. Plain Python: no cloud SDK.

`model` has every key; `read` validates types; `checks` validates keys against each other; `layout` fills in defaults;
`load` does these in order; `schema` and `reference` generate the editor's schema and the page of the docs.
"""
