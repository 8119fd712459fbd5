"""Reading and writing workflow files: API form, editor form, and pictures that carry either.

Nothing here knows a node: what a node type's widgets are is an argument (`Signatures`).
"""
