-- q07_most_rated
-- Which 10 films have most ratings on the platforms? Ratings per title_key over both platforms (shown
-- by its alphabetically first title), and per product on each. By ratings descending, then title,
-- title_key, product_id.
WITH `t4` AS (
  SELECT
    `t2`.`product_key`,
    `t2`.`ratings`,
    `t2`.`stars`,
    `t2`.`liked`,
    `t2`.`last_time_key`,
    `t3`.`product_id`,
    `t3`.`company`,
    `t3`.`title`,
    `t3`.`title_key`,
    `t3`.`year_released`
  FROM `product_totals` AS `t2`
  INNER JOIN `dim_product` AS `t3`
    ON `t2`.`product_key` = `t3`.`product_key`
)
SELECT
  `t17`.`company` AS `scope`,
  `t17`.`rank`,
  `t17`.`title`,
  `t17`.`title_key`,
  `t17`.`product_id`,
  `t17`.`ratings`
FROM (
  SELECT
    *
  FROM (
    SELECT
      `t9`.`company`,
      `t9`.`title`,
      `t9`.`title_key`,
      `t9`.`product_id`,
      `t9`.`ratings`,
      (
        ROW_NUMBER() OVER (
          ORDER BY `t9`.`ratings` DESC, CASE WHEN `t9`.`title` IS NULL THEN 1 ELSE 0 END, `t9`.`title` ASC, CASE WHEN `t9`.`title_key` IS NULL THEN 1 ELSE 0 END, `t9`.`title_key` ASC, CASE WHEN `t9`.`product_id` IS NULL THEN 1 ELSE 0 END, `t9`.`product_id` ASC
        ) - 1
      ) + 1 AS `rank`
    FROM (
      SELECT
        `t5`.`company`,
        `t5`.`title`,
        `t5`.`title_key`,
        `t5`.`product_id`,
        `t5`.`ratings`
      FROM `t4` AS `t5`
      WHERE
        CAST(`t5`.`company` AS BINARY) = 'Netflix'
      ORDER BY
        `t5`.`ratings` DESC,
        CASE WHEN `t5`.`title` IS NULL THEN 1 ELSE 0 END, `t5`.`title` ASC,
        CASE WHEN `t5`.`title_key` IS NULL THEN 1 ELSE 0 END, `t5`.`title_key` ASC,
        CASE WHEN `t5`.`product_id` IS NULL THEN 1 ELSE 0 END, `t5`.`product_id` ASC
      LIMIT 10
    ) AS `t9`
  ) AS `t13`
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      *
    FROM (
      SELECT
        `t12`.`company`,
        `t12`.`title`,
        `t12`.`title_key`,
        `t12`.`product_id`,
        `t12`.`ratings`,
        (
          ROW_NUMBER() OVER (
            ORDER BY `t12`.`ratings` DESC, CASE WHEN `t12`.`title` IS NULL THEN 1 ELSE 0 END, `t12`.`title` ASC, CASE WHEN `t12`.`title_key` IS NULL THEN 1 ELSE 0 END, `t12`.`title_key` ASC, CASE WHEN `t12`.`product_id` IS NULL THEN 1 ELSE 0 END, `t12`.`product_id` ASC
          ) - 1
        ) + 1 AS `rank`
      FROM (
        SELECT
          'both platforms' AS `company`,
          `t8`.`title`,
          `t8`.`title_key`,
          NULL AS `product_id`,
          `t8`.`ratings`
        FROM (
          SELECT
            `t5`.`title_key`,
            MIN(`t5`.`title`) AS `title`,
            SUM(`t5`.`ratings`) AS `ratings`
          FROM `t4` AS `t5`
          GROUP BY
            1
        ) AS `t8`
        ORDER BY
          `t8`.`ratings` DESC,
          CASE WHEN `t8`.`title` IS NULL THEN 1 ELSE 0 END, `t8`.`title` ASC,
          CASE WHEN `t8`.`title_key` IS NULL THEN 1 ELSE 0 END, `t8`.`title_key` ASC
        LIMIT 10
      ) AS `t12`
    ) AS `t15`
    UNION ALL
    SELECT
      *
    FROM (
      SELECT
        `t10`.`company`,
        `t10`.`title`,
        `t10`.`title_key`,
        `t10`.`product_id`,
        `t10`.`ratings`,
        (
          ROW_NUMBER() OVER (
            ORDER BY `t10`.`ratings` DESC, CASE WHEN `t10`.`title` IS NULL THEN 1 ELSE 0 END, `t10`.`title` ASC, CASE WHEN `t10`.`title_key` IS NULL THEN 1 ELSE 0 END, `t10`.`title_key` ASC, CASE WHEN `t10`.`product_id` IS NULL THEN 1 ELSE 0 END, `t10`.`product_id` ASC
          ) - 1
        ) + 1 AS `rank`
      FROM (
        SELECT
          `t5`.`company`,
          `t5`.`title`,
          `t5`.`title_key`,
          `t5`.`product_id`,
          `t5`.`ratings`
        FROM `t4` AS `t5`
        WHERE
          CAST(`t5`.`company` AS BINARY) = 'Amazon'
        ORDER BY
          `t5`.`ratings` DESC,
          CASE WHEN `t5`.`title` IS NULL THEN 1 ELSE 0 END, `t5`.`title` ASC,
          CASE WHEN `t5`.`title_key` IS NULL THEN 1 ELSE 0 END, `t5`.`title_key` ASC,
          CASE WHEN `t5`.`product_id` IS NULL THEN 1 ELSE 0 END, `t5`.`product_id` ASC
        LIMIT 10
      ) AS `t10`
    ) AS `t14`
  ) AS `t16`
) AS `t17`
ORDER BY
  `t17`.`company` DESC,
  CASE WHEN `t17`.`rank` IS NULL THEN 1 ELSE 0 END, `t17`.`rank` ASC;
