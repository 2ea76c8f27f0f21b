"""The tables.

Belongs here: statements that lose no data and may run twice, as they do after a load that was killed. Does not belong
here: later changes; once applied anywhere, this file stays as it is and the next change gets the next number.
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    collation = op.get_context().opts["collation"]
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `dim_station` (
  `station_key` INT NOT NULL COMMENT 'Surrogate key.',
  `station_id` INT NOT NULL COMMENT 'The vendor''s number of the station.',
  `name` MEDIUMTEXT NOT NULL COMMENT 'Name of the station.',
  `region` VARCHAR(255) NULL COMMENT 'Region; empty where the vendor knows none.',
  PRIMARY KEY (`station_key`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per station.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `fact_reading` (
  `station_key` INT NOT NULL COMMENT 'The station.',
  `day` DATE NOT NULL COMMENT 'Day of the reading.',
  `degrees` DOUBLE NOT NULL COMMENT 'Degrees Celsius.',
  `year` INT NOT NULL COMMENT 'Year of the reading; the partition.',
  INDEX `by_day` (`day`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per reading.'
PARTITION BY LIST (`year`) (
  PARTITION `none` VALUES IN (NULL)
)
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `station_sums` (
  `station_key` INT NOT NULL COMMENT 'The station.',
  `readings` BIGINT NOT NULL COMMENT 'Readings of the station.',
  `tenths` BIGINT NOT NULL COMMENT 'Sum of their tenths of degrees: whole numbers have the same sum in any order.',
  `last_day` DATE NOT NULL COMMENT 'Day of the latest.',
  PRIMARY KEY (`station_key`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per station with readings.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `w1_regions` (
  `region` VARCHAR(255) NOT NULL COMMENT 'The region.',
  `stations` BIGINT NOT NULL COMMENT 'Stations there.',
  `readings` BIGINT NOT NULL COMMENT 'Their readings.',
  `warmest` DOUBLE NULL COMMENT 'The highest of these.',
  PRIMARY KEY (`region`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per region.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `w2_warmest_stations` (
  `station_id` INT NOT NULL COMMENT 'The vendor''s number of the station.',
  `name` MEDIUMTEXT NOT NULL COMMENT 'Name of the station.',
  `readings` BIGINT NOT NULL COMMENT 'Its readings.',
  `last_day` DATE NOT NULL COMMENT 'Day of the latest.',
  `mean` DOUBLE NOT NULL COMMENT 'Their mean.',
  PRIMARY KEY (`station_id`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per station of the ten warmest.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `w3_silent_stations` (
  `station_id` INT NOT NULL COMMENT 'The vendor''s number of the station.',
  `name` MEDIUMTEXT NOT NULL COMMENT 'Name of the station.',
  `region` VARCHAR(255) NULL COMMENT 'Region; empty where the vendor knows none.',
  PRIMARY KEY (`station_id`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per station.'
""")
