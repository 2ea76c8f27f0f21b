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
CREATE TABLE IF NOT EXISTS `dim_time` (
  `time_key` INT NOT NULL COMMENT 'Surrogate key: the day as the number yyyymmdd.',
  `date` DATE NOT NULL COMMENT 'The day.',
  `year` INT NOT NULL COMMENT 'Calendar year.',
  `semester` INT NOT NULL COMMENT 'Half of the year.',
  `quarter` INT NOT NULL COMMENT 'Quarter of the year.',
  `month` INT NOT NULL COMMENT 'Month of the year.',
  `month_name` MEDIUMTEXT NOT NULL COMMENT 'Month in English.',
  `month_abbr` MEDIUMTEXT NOT NULL COMMENT 'First three letters of the month.',
  `day` INT NOT NULL COMMENT 'Day of the month.',
  `day_of_week` INT NOT NULL COMMENT 'Day of the week, 1 = Sunday.',
  `day_name` MEDIUMTEXT NOT NULL COMMENT 'Day of the week in English.',
  `day_abbr` MEDIUMTEXT NOT NULL COMMENT 'First three letters of the day of the week.',
  `is_weekend` BOOLEAN NOT NULL COMMENT 'True on Saturday and Sunday.',
  PRIMARY KEY (`time_key`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per day from the first to the last year of the study.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `dim_product` (
  `product_key` INT NOT NULL COMMENT 'Surrogate key; stays the same when data is loaded again or files are added.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `company` VARCHAR(255) NOT NULL COMMENT 'Vendor of the rating or product.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `title_key` MEDIUMTEXT NOT NULL COMMENT 'Title made comparable across vendors.',
  `year_released` INT NOT NULL COMMENT 'Release year; 0 = unknown.',
  PRIMARY KEY (`product_key`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per product of a vendor.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `fact_rating` (
  `product_key` INT NOT NULL COMMENT 'The rated product.',
  `time_key` INT NOT NULL COMMENT 'The day of the rating.',
  `customer_id` BIGINT NOT NULL COMMENT 'The vendor''s customer id.',
  `star_rating` TINYINT NOT NULL COMMENT 'Stars given, 1 (worst) to 5 (best).',
  `year` INT NOT NULL COMMENT 'Year of the rating; the partition.',
  INDEX `by_time_key` (`time_key`),
  INDEX `by_customer_id` (`customer_id`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per rating.'
PARTITION BY LIST (`year`) (
  PARTITION `none` VALUES IN (NULL)
)
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `product_totals` (
  `product_key` INT NOT NULL COMMENT 'The product.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings of the product.',
  `stars` BIGINT NOT NULL COMMENT 'Sum of their stars.',
  `liked` BIGINT NOT NULL COMMENT 'Ratings of 4 and 5 stars.',
  `last_time_key` INT NOT NULL COMMENT 'Day of the latest rating.',
  PRIMARY KEY (`product_key`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per rated product: an aggregate of fact_rating, so that questions on products need not read it.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `customer_totals` (
  `company` VARCHAR(255) NOT NULL COMMENT 'Vendor of the rating or product.',
  `customer_id` BIGINT NOT NULL COMMENT 'The vendor''s customer id.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings of the customer.',
  PRIMARY KEY (`company`, `customer_id`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per customer of a vendor: an aggregate, so that questions on customers need not read all ratings.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q01_catalogue_sizes` (
  `company` VARCHAR(255) NOT NULL COMMENT 'Vendor.',
  `products` BIGINT NOT NULL COMMENT 'Distinct products.',
  `titles` BIGINT NOT NULL COMMENT 'Distinct titles, as written.',
  `title_keys` BIGINT NOT NULL COMMENT 'Distinct titles, made comparable.',
  PRIMARY KEY (`company`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per company.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q02_catalogue_overlap` (
  `comparison` VARCHAR(255) NOT NULL COMMENT 'How titles are compared.',
  `amazon_titles` BIGINT NOT NULL COMMENT 'Distinct Amazon titles: the base.',
  `also_on_netflix` BIGINT NOT NULL COMMENT 'Those with an equal Netflix title.',
  `percent` DOUBLE NULL COMMENT 'Share of the base in percent.',
  PRIMARY KEY (`comparison`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per way to compare titles.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q03_mean_ratings` (
  `measure` VARCHAR(255) NOT NULL COMMENT 'What is averaged.',
  `amazon` DOUBLE NULL COMMENT 'Amazon''s mean; empty without Amazon ratings.',
  `netflix` DOUBLE NULL COMMENT 'Netflix''s mean; empty without Netflix ratings.',
  `difference` DOUBLE NULL COMMENT 'Amazon minus Netflix.',
  `ratio` DOUBLE NULL COMMENT 'Amazon over Netflix.',
  PRIMARY KEY (`measure`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per kind of mean.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q04_release_years` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `year_released` INT NOT NULL COMMENT 'Release year.',
  `films` BIGINT NOT NULL COMMENT 'Netflix products released in that year.',
  PRIMARY KEY (`year_released`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per release year.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q05_best_not_on_amazon` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings.',
  `liked` BIGINT NOT NULL COMMENT 'Ratings of 4 and 5 stars.',
  `liked_share` DOUBLE NOT NULL COMMENT 'Share of ratings of 4 and 5 stars.',
  `mean` DOUBLE NOT NULL COMMENT 'Mean stars.',
  `bayesian_mean` DOUBLE NOT NULL COMMENT 'Mean stars, drawn towards the company''s mean where ratings are few.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per Netflix product that is not on Amazon, the best 100.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q06_best_not_on_netflix` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings.',
  `liked` BIGINT NOT NULL COMMENT 'Ratings of 4 and 5 stars.',
  `liked_share` DOUBLE NOT NULL COMMENT 'Share of ratings of 4 and 5 stars.',
  `mean` DOUBLE NOT NULL COMMENT 'Mean stars.',
  `bayesian_mean` DOUBLE NOT NULL COMMENT 'Mean stars, drawn towards the company''s mean where ratings are few.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per Amazon product that is not on Netflix, the best 100.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q07_most_rated` (
  `scope` VARCHAR(255) NOT NULL COMMENT 'Where ratings are counted.',
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product, or the first title of the key.',
  `title_key` MEDIUMTEXT NOT NULL COMMENT 'Title made comparable.',
  `product_id` MEDIUMTEXT NULL COMMENT 'The vendor''s product id; empty over both platforms.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings.',
  PRIMARY KEY (`scope`, `rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per scope and place in it, 10 places each.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q08_busiest_customers` (
  `company` VARCHAR(255) NOT NULL COMMENT 'Vendor.',
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `customer_id` BIGINT NOT NULL COMMENT 'The vendor''s customer id.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings of the customer.',
  `products` BIGINT NOT NULL COMMENT 'Distinct products that the customer rated.',
  PRIMARY KEY (`company`, `rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per company and place in it, 5 places each.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q09_amazon_last_day` (
  `company` VARCHAR(255) NOT NULL COMMENT 'Vendor.',
  `date` DATE NULL COMMENT 'The most recent rating date; empty without ratings.',
  `films` BIGINT NOT NULL COMMENT 'Distinct products rated on that date.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings on that date.',
  PRIMARY KEY (`company`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q10_amazon_best_of_last_day` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `mean` DOUBLE NOT NULL COMMENT 'Mean stars on that day.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings on that day.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per place, 10 places.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q11_netflix_last_day` (
  `company` VARCHAR(255) NOT NULL COMMENT 'Vendor.',
  `date` DATE NULL COMMENT 'The most recent rating date; empty without ratings.',
  `films` BIGINT NOT NULL COMMENT 'Distinct products rated on that date.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings on that date.',
  PRIMARY KEY (`company`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `q12_netflix_best_of_last_day` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `mean` DOUBLE NOT NULL COMMENT 'Mean stars on that day.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings on that day.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per place, 10 places.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `i1_films` (
  `company` VARCHAR(255) NOT NULL COMMENT 'Vendor.',
  `films` BIGINT NOT NULL COMMENT 'Distinct products.',
  PRIMARY KEY (`company`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `i2_best_means` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `mean` DOUBLE NOT NULL COMMENT 'Mean stars.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per place, 5 places.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `i3_fewest_films` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `year_released` INT NOT NULL COMMENT 'Release year.',
  `films` BIGINT NOT NULL COMMENT 'Netflix products released in that year.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per place, 9 places.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `i4_loved_on_last_day` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `mean` DOUBLE NOT NULL COMMENT 'Mean stars on that day.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings on that day.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per such product.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `i5_least_loved_of_these` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `title` MEDIUMTEXT NOT NULL COMMENT 'Title of the product.',
  `product_id` MEDIUMTEXT NOT NULL COMMENT 'The vendor''s product id.',
  `mean` DOUBLE NOT NULL COMMENT 'Mean stars on that day.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings on that day.',
  `mean_of_these` DOUBLE NOT NULL COMMENT 'Mean stars over all ratings on that day of the products listed.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per place, 10 places.'
""")
    op.execute(rf"""
CREATE TABLE IF NOT EXISTS `i6_busiest_customers` (
  `rank` BIGINT NOT NULL COMMENT 'Place, from 1.',
  `customer_id` BIGINT NOT NULL COMMENT 'The vendor''s customer id.',
  `ratings` BIGINT NOT NULL COMMENT 'Ratings of the customer.',
  PRIMARY KEY (`rank`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation} COMMENT='One row per place, 5 places.'
""")
