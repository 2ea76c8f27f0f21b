-- q08_busiest_customers
-- Which 5 customers rated most on Amazon, and how many different products did they rate? On Netflix?
-- Per company: by ratings descending, distinct products descending, customer_id; the first 5.
SELECT
  `t28`.`company`,
  `t28`.`rank`,
  `t28`.`customer_id`,
  `t28`.`ratings`,
  `t28`.`products`
FROM (
  SELECT
    *
  FROM (
    SELECT
      `t24`.`customer_id`,
      `t24`.`ratings`,
      `t24`.`products`,
      `t24`.`rank`,
      'Amazon' AS `company`
    FROM (
      SELECT
        `t22`.`customer_id`,
        `t22`.`ratings`,
        `t22`.`products`,
        (
          ROW_NUMBER() OVER (
            ORDER BY `t22`.`ratings` DESC, `t22`.`products` DESC, CASE WHEN `t22`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t22`.`customer_id` ASC
          ) - 1
        ) + 1 AS `rank`
      FROM (
        SELECT
          *
        FROM (
          SELECT
            `t16`.`customer_id`,
            MAX(`t16`.`ratings`) AS `ratings`,
            COUNT(DISTINCT `t16`.`product_key`) AS `products`
          FROM (
            SELECT
              `t3`.`product_key`,
              `t3`.`time_key`,
              `t3`.`customer_id`,
              `t3`.`star_rating`,
              `t3`.`year`,
              `t14`.`ratings`,
              `t8`.`product_id`,
              `t8`.`company`,
              `t8`.`title`,
              `t8`.`title_key`,
              `t8`.`year_released`
            FROM `fact_rating` AS `t3`
            INNER JOIN (
              SELECT
                `t10`.`customer_id`,
                `t10`.`ratings`
              FROM (
                SELECT
                  `t6`.`company`,
                  `t6`.`customer_id`,
                  `t6`.`ratings`,
                  RANK() OVER (ORDER BY `t6`.`ratings` DESC) - 1 AS `place`
                FROM (
                  SELECT
                    *
                  FROM `customer_totals` AS `t2`
                  WHERE
                    CAST(`t2`.`company` AS BINARY) = 'Amazon'
                ) AS `t6`
              ) AS `t10`
              WHERE
                `t10`.`place` < 5
            ) AS `t14`
              ON `t3`.`customer_id` = `t14`.`customer_id`
            INNER JOIN (
              SELECT
                *
              FROM `dim_product` AS `t1`
              WHERE
                CAST(`t1`.`company` AS BINARY) = 'Amazon'
            ) AS `t8`
              ON `t3`.`product_key` = `t8`.`product_key`
          ) AS `t16`
          GROUP BY
            1
        ) AS `t18`
        ORDER BY
          `t18`.`ratings` DESC,
          `t18`.`products` DESC,
          CASE WHEN `t18`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t18`.`customer_id` ASC
        LIMIT 5
      ) AS `t22`
    ) AS `t24`
  ) AS `t26`
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      `t25`.`customer_id`,
      `t25`.`ratings`,
      `t25`.`products`,
      `t25`.`rank`,
      'Netflix' AS `company`
    FROM (
      SELECT
        `t23`.`customer_id`,
        `t23`.`ratings`,
        `t23`.`products`,
        (
          ROW_NUMBER() OVER (
            ORDER BY `t23`.`ratings` DESC, `t23`.`products` DESC, CASE WHEN `t23`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t23`.`customer_id` ASC
          ) - 1
        ) + 1 AS `rank`
      FROM (
        SELECT
          *
        FROM (
          SELECT
            `t17`.`customer_id`,
            MAX(`t17`.`ratings`) AS `ratings`,
            COUNT(DISTINCT `t17`.`product_key`) AS `products`
          FROM (
            SELECT
              `t3`.`product_key`,
              `t3`.`time_key`,
              `t3`.`customer_id`,
              `t3`.`star_rating`,
              `t3`.`year`,
              `t15`.`ratings`,
              `t9`.`product_id`,
              `t9`.`company`,
              `t9`.`title`,
              `t9`.`title_key`,
              `t9`.`year_released`
            FROM `fact_rating` AS `t3`
            INNER JOIN (
              SELECT
                `t11`.`customer_id`,
                `t11`.`ratings`
              FROM (
                SELECT
                  `t7`.`company`,
                  `t7`.`customer_id`,
                  `t7`.`ratings`,
                  RANK() OVER (ORDER BY `t7`.`ratings` DESC) - 1 AS `place`
                FROM (
                  SELECT
                    *
                  FROM `customer_totals` AS `t2`
                  WHERE
                    CAST(`t2`.`company` AS BINARY) = 'Netflix'
                ) AS `t7`
              ) AS `t11`
              WHERE
                `t11`.`place` < 5
            ) AS `t15`
              ON `t3`.`customer_id` = `t15`.`customer_id`
            INNER JOIN (
              SELECT
                *
              FROM `dim_product` AS `t1`
              WHERE
                CAST(`t1`.`company` AS BINARY) = 'Netflix'
            ) AS `t9`
              ON `t3`.`product_key` = `t9`.`product_key`
          ) AS `t17`
          GROUP BY
            1
        ) AS `t19`
        ORDER BY
          `t19`.`ratings` DESC,
          `t19`.`products` DESC,
          CASE WHEN `t19`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t19`.`customer_id` ASC
        LIMIT 5
      ) AS `t23`
    ) AS `t25`
  ) AS `t27`
) AS `t28`
ORDER BY
  CASE WHEN `t28`.`company` IS NULL THEN 1 ELSE 0 END, `t28`.`company` ASC,
  CASE WHEN `t28`.`rank` IS NULL THEN 1 ELSE 0 END, `t28`.`rank` ASC;
