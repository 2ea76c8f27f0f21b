"""Where the platform looks for a study.

Belongs here: its name. Does not belong here: the declaration (`ratings_platform_tests.made_up.weather`), which is found
by one name wherever it is used.
"""

from ratings_platform_tests.made_up.weather import STUDY

__all__ = ["STUDY"]
