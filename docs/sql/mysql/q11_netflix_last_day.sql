-- q11_netflix_last_day
-- How many films were rated on Netflix's most recent rating date? Distinct products, and ratings, on
-- the latest date of any Netflix rating.
SELECT
  `t19`.`company`,
  `t19`.`date`,
  `t19`.`films`,
  `t19`.`ratings`
FROM (
  SELECT
    `t4`.`date`,
    `t18`.`films`,
    `t18`.`ratings`,
    'Netflix' AS `company`
  FROM (
    SELECT
      MAX(`t16`.`time_key`) AS `last_key`,
      COUNT(*) AS `films`,
      COALESCE(CAST(SUM(`t16`.`ratings`) AS SIGNED), 0) AS `ratings`
    FROM (
      SELECT
        `t15`.`product_key`,
        `t15`.`time_key`,
        `t15`.`ratings`,
        `t15`.`stars`,
        `t15`.`product_id`,
        `t15`.`company`,
        `t15`.`title`,
        `t15`.`title_key`,
        `t15`.`year_released`,
        CAST(`t15`.`stars` AS DOUBLE) / CAST(NULLIF(`t15`.`ratings`, 0) AS DOUBLE) AS `mean`
      FROM (
        SELECT
          `t14`.`product_key`,
          `t14`.`time_key`,
          `t14`.`ratings`,
          `t14`.`stars`,
          `t8`.`product_id`,
          `t8`.`company`,
          `t8`.`title`,
          `t8`.`title_key`,
          `t8`.`year_released`
        FROM (
          SELECT
            `t12`.`product_key`,
            MAX(`t12`.`last_key`) AS `time_key`,
            COUNT(*) AS `ratings`,
            CAST(SUM(`t12`.`star_rating`) AS SIGNED) AS `stars`
          FROM (
            SELECT
              `t5`.`product_key`,
              `t5`.`time_key`,
              `t5`.`customer_id`,
              `t5`.`star_rating`,
              `t5`.`year`,
              `t11`.`last_key`
            FROM `fact_rating` AS `t5`
            INNER JOIN (
              SELECT
                MAX(`t9`.`last_time_key`) AS `last_key`
              FROM (
                SELECT
                  `t6`.`product_key`,
                  `t6`.`ratings`,
                  `t6`.`stars`,
                  `t6`.`liked`,
                  `t6`.`last_time_key`
                FROM `product_totals` AS `t6`
                WHERE
                  EXISTS(
                    SELECT
                      1
                    FROM (
                      SELECT
                        *
                      FROM `dim_product` AS `t1`
                      WHERE
                        CAST(`t1`.`company` AS BINARY) = 'Netflix'
                    ) AS `t8`
                    WHERE
                      `t6`.`product_key` = `t8`.`product_key`
                  )
              ) AS `t9`
            ) AS `t11`
              ON `t5`.`time_key` = `t11`.`last_key`
          ) AS `t12`
          GROUP BY
            1
        ) AS `t14`
        INNER JOIN (
          SELECT
            *
          FROM `dim_product` AS `t1`
          WHERE
            CAST(`t1`.`company` AS BINARY) = 'Netflix'
        ) AS `t8`
          ON `t14`.`product_key` = `t8`.`product_key`
      ) AS `t15`
    ) AS `t16`
  ) AS `t18`
  LEFT OUTER JOIN `dim_time` AS `t4`
    ON `t18`.`last_key` = `t4`.`time_key`
) AS `t19`
ORDER BY
  CASE WHEN `t19`.`company` IS NULL THEN 1 ELSE 0 END, `t19`.`company` ASC;
