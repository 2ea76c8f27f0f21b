-- i5_least_loved_of_these
-- Of the films of I4, which 10 have the worst mean, and what is the mean? The products of I4 by their
-- mean on that date, ratings on that date descending, title, product_id; the first 10. Each row also
-- has the mean over all ratings that these (up to 10) products got on that date.
SELECT
  `t15`.`rank`,
  `t15`.`title`,
  `t15`.`product_id`,
  `t15`.`mean`,
  `t15`.`ratings`,
  `t15`.`mean_of_these`
FROM (
  SELECT
    `t14`.`product_key`,
    `t14`.`time_key`,
    `t14`.`ratings`,
    `t14`.`stars`,
    `t14`.`product_id`,
    `t14`.`company`,
    `t14`.`title`,
    `t14`.`title_key`,
    `t14`.`year_released`,
    `t14`.`mean`,
    `t14`.`rank`,
    CAST(SUM(`t14`.`stars`) OVER (
      ORDER BY CASE WHEN NULL IS NULL THEN 1 ELSE 0 END, NULL ASC
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS DOUBLE) / CAST(NULLIF(
      SUM(`t14`.`ratings`) OVER (
        ORDER BY CASE WHEN NULL IS NULL THEN 1 ELSE 0 END, NULL ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ),
      0
    ) AS DOUBLE) AS `mean_of_these`
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
      `t13`.`mean`,
      (
        ROW_NUMBER() OVER (
          ORDER BY CASE WHEN `t13`.`mean` IS NULL THEN 1 ELSE 0 END, `t13`.`mean` ASC, `t13`.`ratings` DESC, CASE WHEN `t13`.`title` IS NULL THEN 1 ELSE 0 END, `t13`.`title` ASC, CASE WHEN `t13`.`product_id` IS NULL THEN 1 ELSE 0 END, `t13`.`product_id` ASC
        ) - 1
      ) + 1 AS `rank`
    FROM (
      SELECT
        `t11`.`product_key`,
        `t11`.`time_key`,
        `t11`.`ratings`,
        `t11`.`stars`,
        `t11`.`product_id`,
        `t11`.`company`,
        `t11`.`title`,
        `t11`.`title_key`,
        `t11`.`year_released`,
        CAST(`t11`.`stars` AS DOUBLE) / CAST(NULLIF(`t11`.`ratings`, 0) AS DOUBLE) AS `mean`
      FROM (
        SELECT
          `t10`.`product_key`,
          `t10`.`time_key`,
          `t10`.`ratings`,
          `t10`.`stars`,
          `t5`.`product_id`,
          `t5`.`company`,
          `t5`.`title`,
          `t5`.`title_key`,
          `t5`.`year_released`
        FROM (
          SELECT
            `t8`.`product_key`,
            MAX(`t8`.`time_key`) AS `time_key`,
            COUNT(*) AS `ratings`,
            SUM(`t8`.`star_rating`) AS `stars`
          FROM (
            SELECT
              *
            FROM `fact_rating` AS `t0`
            WHERE
              `t0`.`time_key` = (
                SELECT
                  MAX(`t6`.`last_time_key`) AS `Max(last_time_key)`
                FROM (
                  SELECT
                    `t3`.`product_key`,
                    `t3`.`ratings`,
                    `t3`.`stars`,
                    `t3`.`liked`,
                    `t3`.`last_time_key`
                  FROM `product_totals` AS `t3`
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
                      ) AS `t5`
                      WHERE
                        `t3`.`product_key` = `t5`.`product_key`
                    )
                ) AS `t6`
              )
          ) AS `t8`
          GROUP BY
            1
        ) AS `t10`
        INNER JOIN (
          SELECT
            *
          FROM `dim_product` AS `t1`
          WHERE
            CAST(`t1`.`company` AS BINARY) = 'Netflix'
        ) AS `t5`
          ON `t10`.`product_key` = `t5`.`product_key`
      ) AS `t11`
      WHERE
        (
          `t11`.`stars` * 10
        ) >= (
          `t11`.`ratings` * 47
        )
      ORDER BY
        CASE WHEN CAST(`t11`.`stars` AS DOUBLE) / CAST(NULLIF(`t11`.`ratings`, 0) AS DOUBLE) IS NULL THEN 1 ELSE 0 END, CAST(`t11`.`stars` AS DOUBLE) / CAST(NULLIF(`t11`.`ratings`, 0) AS DOUBLE) ASC,
        `t11`.`ratings` DESC,
        CASE WHEN `t11`.`title` IS NULL THEN 1 ELSE 0 END, `t11`.`title` ASC,
        CASE WHEN `t11`.`product_id` IS NULL THEN 1 ELSE 0 END, `t11`.`product_id` ASC
      LIMIT 10
    ) AS `t13`
  ) AS `t14`
) AS `t15`
ORDER BY
  CASE WHEN `t15`.`rank` IS NULL THEN 1 ELSE 0 END, `t15`.`rank` ASC;
