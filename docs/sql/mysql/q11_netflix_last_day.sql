-- q11_netflix_last_day
-- How many films were rated on Netflix's most recent rating date? Distinct products, and ratings, on
-- the latest date of any Netflix rating.
SELECT
  `t17`.`company`,
  `t17`.`date`,
  `t17`.`films`,
  `t17`.`ratings`
FROM (
  SELECT
    `t4`.`date`,
    `t16`.`films`,
    `t16`.`ratings`,
    'Netflix' AS `company`
  FROM (
    SELECT
      MAX(`t14`.`time_key`) AS `last_key`,
      COUNT(*) AS `films`,
      COALESCE(SUM(`t14`.`ratings`), 0) AS `ratings`
    FROM (
      SELECT
        `t13`.`product_key`,
        `t13`.`time_key`,
        `t13`.`ratings`,
        `t13`.`stars`,
        `t13`.`product_id`,
        `t13`.`company`,
        `t13`.`title`,
        `t13`.`title_key`,
        `t13`.`year_released`,
        CAST(`t13`.`stars` AS DOUBLE) / CAST(NULLIF(`t13`.`ratings`, 0) AS DOUBLE) AS `mean`
      FROM (
        SELECT
          `t12`.`product_key`,
          `t12`.`time_key`,
          `t12`.`ratings`,
          `t12`.`stars`,
          `t7`.`product_id`,
          `t7`.`company`,
          `t7`.`title`,
          `t7`.`title_key`,
          `t7`.`year_released`
        FROM (
          SELECT
            `t10`.`product_key`,
            MAX(`t10`.`time_key`) AS `time_key`,
            COUNT(*) AS `ratings`,
            SUM(`t10`.`star_rating`) AS `stars`
          FROM (
            SELECT
              *
            FROM `fact_rating` AS `t1`
            WHERE
              `t1`.`time_key` = (
                SELECT
                  MAX(`t8`.`last_time_key`) AS `Max(last_time_key)`
                FROM (
                  SELECT
                    `t5`.`product_key`,
                    `t5`.`ratings`,
                    `t5`.`stars`,
                    `t5`.`liked`,
                    `t5`.`last_time_key`
                  FROM `product_totals` AS `t5`
                  WHERE
                    EXISTS(
                      SELECT
                        1
                      FROM (
                        SELECT
                          *
                        FROM `dim_product` AS `t2`
                        WHERE
                          CAST(`t2`.`company` AS BINARY) = 'Netflix'
                      ) AS `t7`
                      WHERE
                        `t5`.`product_key` = `t7`.`product_key`
                    )
                ) AS `t8`
              )
          ) AS `t10`
          GROUP BY
            1
        ) AS `t12`
        INNER JOIN (
          SELECT
            *
          FROM `dim_product` AS `t2`
          WHERE
            CAST(`t2`.`company` AS BINARY) = 'Netflix'
        ) AS `t7`
          ON `t12`.`product_key` = `t7`.`product_key`
      ) AS `t13`
    ) AS `t14`
  ) AS `t16`
  LEFT OUTER JOIN `dim_time` AS `t4`
    ON `t16`.`last_key` = `t4`.`time_key`
) AS `t17`
ORDER BY
  CASE WHEN `t17`.`company` IS NULL THEN 1 ELSE 0 END, `t17`.`company` ASC;
