-- q05_best_not_on_amazon
-- Which films not in Amazon's catalogue were rated best? Netflix products whose title_key no Amazon
-- product has and that have ratings. Bayesian mean = (weight × prior + sum of stars) / (weight +
-- ratings); prior: the mean of all Netflix ratings; weight: a setting. By Bayesian mean and ratings,
-- both descending, then title, product_id; the first 100 are given.
SELECT
  `t10`.`rank`,
  `t10`.`title`,
  `t10`.`product_id`,
  `t10`.`ratings`,
  `t10`.`liked`,
  `t10`.`liked_share`,
  `t10`.`mean`,
  `t10`.`bayesian_mean`
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
    `t9`.`elsewhere`,
    `t9`.`prior`,
    `t9`.`liked_share`,
    `t9`.`mean`,
    `t9`.`bayesian_mean`,
    (
      ROW_NUMBER() OVER (
        ORDER BY `t9`.`bayesian_mean` DESC, `t9`.`ratings` DESC, CASE WHEN `t9`.`title` IS NULL THEN 1 ELSE 0 END, `t9`.`title` ASC, CASE WHEN `t9`.`product_id` IS NULL THEN 1 ELSE 0 END, `t9`.`product_id` ASC
      ) - 1
    ) + 1 AS `rank`
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
      `t7`.`elsewhere`,
      `t7`.`prior`,
      CAST(`t7`.`liked` AS DOUBLE) / CAST(NULLIF(`t7`.`ratings`, 0) AS DOUBLE) AS `liked_share`,
      CAST(`t7`.`stars` AS DOUBLE) / CAST(NULLIF(`t7`.`ratings`, 0) AS DOUBLE) AS `mean`,
      (
        (
          100.0 * `t7`.`prior`
        ) + CAST(`t7`.`stars` AS DOUBLE)
      ) / NULLIF(100.0 + CAST(`t7`.`ratings` AS DOUBLE), 0) AS `bayesian_mean`
    FROM (
      SELECT
        `t6`.`product_key`,
        `t6`.`ratings`,
        `t6`.`stars`,
        `t6`.`liked`,
        `t6`.`last_time_key`,
        `t6`.`product_id`,
        `t6`.`company`,
        `t6`.`title`,
        `t6`.`title_key`,
        `t6`.`year_released`,
        `t6`.`elsewhere`,
        CAST(SUM(`t6`.`stars`) OVER (
          ORDER BY CASE WHEN NULL IS NULL THEN 1 ELSE 0 END, NULL ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS DOUBLE) / CAST(NULLIF(
          SUM(`t6`.`ratings`) OVER (
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
          `t5`.`product_id`,
          `t5`.`company`,
          `t5`.`title`,
          `t5`.`title_key`,
          `t5`.`year_released`,
          `t5`.`elsewhere`
        FROM `product_totals` AS `t2`
        INNER JOIN (
          SELECT
            *
          FROM (
            SELECT
              `t1`.`product_key`,
              `t1`.`product_id`,
              `t1`.`company`,
              `t1`.`title`,
              `t1`.`title_key`,
              `t1`.`year_released`,
              MAX(CAST(`t1`.`company` <> 'Netflix' AS SIGNED)) OVER (
                PARTITION BY `t1`.`title_key`
                ORDER BY CASE WHEN NULL IS NULL THEN 1 ELSE 0 END, NULL ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
              ) AS `elsewhere`
            FROM `dim_product` AS `t1`
          ) AS `t3`
          WHERE
            CAST(`t3`.`company` AS BINARY) = 'Netflix'
        ) AS `t5`
          ON `t2`.`product_key` = `t5`.`product_key`
      ) AS `t6`
    ) AS `t7`
    WHERE
      `t7`.`elsewhere` = 0
    ORDER BY
      (
        (
          100.0 * `t7`.`prior`
        ) + CAST(`t7`.`stars` AS DOUBLE)
      ) / NULLIF(100.0 + CAST(`t7`.`ratings` AS DOUBLE), 0) DESC,
      `t7`.`ratings` DESC,
      CASE WHEN `t7`.`title` IS NULL THEN 1 ELSE 0 END, `t7`.`title` ASC,
      CASE WHEN `t7`.`product_id` IS NULL THEN 1 ELSE 0 END, `t7`.`product_id` ASC
    LIMIT 100
  ) AS `t9`
) AS `t10`
ORDER BY
  CASE WHEN `t10`.`rank` IS NULL THEN 1 ELSE 0 END, `t10`.`rank` ASC;
