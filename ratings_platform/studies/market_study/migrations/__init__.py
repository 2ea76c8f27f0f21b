"""The steps by which a MySQL warehouse gets to the study's tables, numbered.

Belongs here: what `ratings-platform migrations new` writes. Does not belong here: changes to a step that was applied.
"""
