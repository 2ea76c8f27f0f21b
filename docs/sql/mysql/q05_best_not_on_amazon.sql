-- q05_best_not_on_amazon
-- Which films not in Amazon's catalogue were rated best? Netflix products whose title_key no Amazon
-- product has and that have ratings. Bayesian mean = (weight × prior + sum of stars) / (weight +
-- ratings); prior: the mean of all Netflix ratings; weight: a setting. By Bayesian mean and ratings,
-- both descending, then title, product_id; the first 100 are given.
SELECT
  `t13`.`rank`,
  `t13`.`title`,
  `t13`.`product_id`,
  `t13`.`ratings`,
  `t13`.`liked`,
  `t13`.`liked_share`,
  `t13`.`mean`,
  `t13`.`bayesian_mean`
FROM (
  SELECT
    `t12`.`product_key`,
    `t12`.`ratings`,
    `t12`.`stars`,
    `t12`.`liked`,
    `t12`.`last_time_key`,
    `t12`.`product_id`,
    `t12`.`company`,
    `t12`.`title`,
    `t12`.`title_key`,
    `t12`.`year_released`,
    `t12`.`prior`,
    `t12`.`liked_share`,
    `t12`.`mean`,
    `t12`.`bayesian_mean`,
    (
      ROW_NUMBER() OVER (
        ORDER BY `t12`.`bayesian_mean` DESC, `t12`.`ratings` DESC, CASE WHEN `t12`.`title` IS NULL THEN 1 ELSE 0 END, `t12`.`title` ASC, CASE WHEN `t12`.`product_id` IS NULL THEN 1 ELSE 0 END, `t12`.`product_id` ASC
      ) - 1
    ) + 1 AS `rank`
  FROM (
    SELECT
      `t10`.`product_key`,
      `t10`.`ratings`,
      `t10`.`stars`,
      `t10`.`liked`,
      `t10`.`last_time_key`,
      `t10`.`product_id`,
      `t10`.`company`,
      `t10`.`title`,
      `t10`.`title_key`,
      `t10`.`year_released`,
      `t10`.`prior`,
      CAST(`t10`.`liked` AS DOUBLE) / CAST(NULLIF(`t10`.`ratings`, 0) AS DOUBLE) AS `liked_share`,
      CAST(`t10`.`stars` AS DOUBLE) / CAST(NULLIF(`t10`.`ratings`, 0) AS DOUBLE) AS `mean`,
      (
        (
          100.0 * `t10`.`prior`
        ) + CAST(`t10`.`stars` AS DOUBLE)
      ) / NULLIF(100.0 + CAST(`t10`.`ratings` AS DOUBLE), 0) AS `bayesian_mean`
    FROM (
      SELECT
        `t9`.`product_key`,
        `t9`.`ratings`,
        `t9`.`stars`,
        `t9`.`liked`,
        `t9`.`last_time_key`,
        `t9`.`product_id`,
        `t9`.`company`,
        `t9`.`title`,
        `t9`.`title_key`,
        `t9`.`year_released`,
        `t9`.`prior`
      FROM (
        SELECT
          `t7`.`product_key`,
          `t7`.`ratings`,
          `t7`.`stars`,
          `t7`.`liked`,
          `t7`.`last_time_key`,
          `t7`.`product_id`,
          `t7`.`company`,
          `t7`.`title`,
          `t7`.`title_key`,
          `t7`.`year_released`,
          CAST(SUM(`t7`.`stars`) OVER (
            ORDER BY CASE WHEN NULL IS NULL THEN 1 ELSE 0 END, NULL ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) AS DOUBLE) / CAST(NULLIF(
            SUM(`t7`.`ratings`) OVER (
              ORDER BY CASE WHEN NULL IS NULL THEN 1 ELSE 0 END, NULL ASC
              ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ),
            0
          ) AS DOUBLE) AS `prior`
        FROM (
          SELECT
            `t2`.`product_key`,
            `t2`.`ratings`,
            `t2`.`stars`,
            `t2`.`liked`,
            `t2`.`last_time_key`,
            `t6`.`product_id`,
            `t6`.`company`,
            `t6`.`title`,
            `t6`.`title_key`,
            `t6`.`year_released`
          FROM `product_totals` AS `t2`
          INNER JOIN (
            SELECT
              *
            FROM `dim_product` AS `t0`
            WHERE
              CAST(`t0`.`company` AS BINARY) = 'Netflix'
          ) AS `t6`
            ON `t2`.`product_key` = `t6`.`product_key`
        ) AS `t7`
      ) AS `t9`
      WHERE
        NOT EXISTS(
          SELECT
            1
          FROM (
            SELECT
              *
            FROM `dim_product` AS `t0`
            WHERE
              `t0`.`company` <> 'Netflix'
          ) AS `t5`
          WHERE
            CAST(`t9`.`title_key` AS BINARY) = `t5`.`title_key`
        )
    ) AS `t10`
    ORDER BY
      (
        (
          100.0 * `t10`.`prior`
        ) + CAST(`t10`.`stars` AS DOUBLE)
      ) / NULLIF(100.0 + CAST(`t10`.`ratings` AS DOUBLE), 0) DESC,
      `t10`.`ratings` DESC,
      CASE WHEN `t10`.`title` IS NULL THEN 1 ELSE 0 END, `t10`.`title` ASC,
      CASE WHEN `t10`.`product_id` IS NULL THEN 1 ELSE 0 END, `t10`.`product_id` ASC
    LIMIT 100
  ) AS `t12`
) AS `t13`
ORDER BY
  CASE WHEN `t13`.`rank` IS NULL THEN 1 ELSE 0 END, `t13`.`rank` ASC;
