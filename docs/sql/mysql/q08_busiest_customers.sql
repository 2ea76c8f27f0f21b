-- q08_busiest_customers
-- Which 5 customers rated most on Amazon, and how many different products did they rate? On Netflix?
-- Per company: by ratings descending, distinct products descending, customer_id; the first 5.
WITH `t9` AS (
  SELECT
    `t8`.`company`,
    `t8`.`customer_id`,
    MAX(`t8`.`ratings`) AS `ratings`,
    COUNT(DISTINCT `t8`.`product_key`) AS `products`
  FROM (
    SELECT
      `t3`.`product_key`,
      `t3`.`time_key`,
      `t3`.`customer_id`,
      `t3`.`star_rating`,
      `t3`.`year`,
      `t7`.`company`,
      `t7`.`ratings`,
      `t4`.`product_id`,
      `t4`.`title`,
      `t4`.`title_key`,
      `t4`.`year_released`
    FROM `fact_rating` AS `t3`
    INNER JOIN (
      SELECT
        `t5`.`company`,
        `t5`.`customer_id`,
        `t5`.`ratings`
      FROM (
        SELECT
          `t2`.`company`,
          `t2`.`customer_id`,
          `t2`.`ratings`,
          RANK() OVER (PARTITION BY `t2`.`company` ORDER BY `t2`.`ratings` DESC) - 1 AS `place`
        FROM `customer_totals` AS `t2`
      ) AS `t5`
      WHERE
        `t5`.`place` < 5
    ) AS `t7`
      ON `t3`.`customer_id` = `t7`.`customer_id`
    INNER JOIN `dim_product` AS `t4`
      ON CAST(`t7`.`company` AS BINARY) = `t4`.`company`
      AND `t3`.`product_key` = `t4`.`product_key`
  ) AS `t8`
  GROUP BY
    1,
    2
)
SELECT
  `t17`.`company`,
  `t17`.`rank`,
  `t17`.`customer_id`,
  `t17`.`ratings`,
  `t17`.`products`
FROM (
  SELECT
    *
  FROM (
    SELECT
      `t13`.`company`,
      `t13`.`customer_id`,
      `t13`.`ratings`,
      `t13`.`products`,
      (
        ROW_NUMBER() OVER (
          ORDER BY `t13`.`ratings` DESC, `t13`.`products` DESC, CASE WHEN `t13`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t13`.`customer_id` ASC
        ) - 1
      ) + 1 AS `rank`
    FROM (
      SELECT
        *
      FROM `t9` AS `t10`
      WHERE
        CAST(`t10`.`company` AS BINARY) = 'Amazon'
      ORDER BY
        `t10`.`ratings` DESC,
        `t10`.`products` DESC,
        CASE WHEN `t10`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t10`.`customer_id` ASC
      LIMIT 5
    ) AS `t13`
  ) AS `t15`
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      `t14`.`company`,
      `t14`.`customer_id`,
      `t14`.`ratings`,
      `t14`.`products`,
      (
        ROW_NUMBER() OVER (
          ORDER BY `t14`.`ratings` DESC, `t14`.`products` DESC, CASE WHEN `t14`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t14`.`customer_id` ASC
        ) - 1
      ) + 1 AS `rank`
    FROM (
      SELECT
        *
      FROM `t9` AS `t10`
      WHERE
        CAST(`t10`.`company` AS BINARY) = 'Netflix'
      ORDER BY
        `t10`.`ratings` DESC,
        `t10`.`products` DESC,
        CASE WHEN `t10`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t10`.`customer_id` ASC
      LIMIT 5
    ) AS `t14`
  ) AS `t16`
) AS `t17`
ORDER BY
  CASE WHEN `t17`.`company` IS NULL THEN 1 ELSE 0 END, `t17`.`company` ASC,
  CASE WHEN `t17`.`rank` IS NULL THEN 1 ELSE 0 END, `t17`.`rank` ASC;
