"""${message.removesuffix(".")}.

Belongs here: statements that lose no data and may run twice, as they do after a load that was killed. Does not belong
here: later changes; once applied anywhere, this file stays as it is and the next change gets the next number.
"""

from alembic import op

revision = "${up_revision}"
down_revision = ${'"' + down_revision + '"' if down_revision else None}


def upgrade() -> None:
% if any("{collation}" in statement for statement in statements):
    collation = op.get_context().opts["collation"]
% endif
% for text in by_hand:
    # By hand: ${text}.
% endfor
% for statement in statements:
    op.execute(${statement})
% endfor
% if not statements:
    pass
% endif
