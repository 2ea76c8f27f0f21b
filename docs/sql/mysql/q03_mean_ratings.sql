-- q03_mean_ratings
-- How close is Amazon's average rating to Netflix's? Per company the mean over ratings, and the mean
-- over rated products of the product's mean. Difference: Amazon minus Netflix; ratio: Amazon over
-- Netflix.
WITH `t6` AS (
  SELECT
    CAST(SUM(
      CASE WHEN CAST(`t5`.`company` AS BINARY) = 'Amazon' THEN `t5`.`stars` ELSE NULL END
    ) AS DOUBLE) / CAST(NULLIF(
      SUM(
        CASE
          WHEN CAST(`t5`.`company` AS BINARY) = 'Amazon'
          THEN `t5`.`ratings`
          ELSE NULL
        END
      ),
      0
    ) AS DOUBLE) AS `amazon_ratings`,
    CAST(SUM(
      CASE WHEN CAST(`t5`.`company` AS BINARY) = 'Netflix' THEN `t5`.`stars` ELSE NULL END
    ) AS DOUBLE) / CAST(NULLIF(
      SUM(
        CASE
          WHEN CAST(`t5`.`company` AS BINARY) = 'Netflix'
          THEN `t5`.`ratings`
          ELSE NULL
        END
      ),
      0
    ) AS DOUBLE) AS `netflix_ratings`,
    CAST(SUM(
      CASE
        WHEN CAST(`t5`.`company` AS BINARY) = 'Amazon'
        THEN CAST(`t5`.`mean` AS DECIMAL(38, 12))
        ELSE NULL
      END
    ) AS DOUBLE) / CAST(NULLIF(COUNT(CASE WHEN CAST(`t5`.`company` AS BINARY) = 'Amazon' THEN 1 ELSE NULL END), 0) AS DOUBLE) AS `amazon_products`,
    CAST(SUM(
      CASE
        WHEN CAST(`t5`.`company` AS BINARY) = 'Netflix'
        THEN CAST(`t5`.`mean` AS DECIMAL(38, 12))
        ELSE NULL
      END
    ) AS DOUBLE) / CAST(NULLIF(
      COUNT(CASE WHEN CAST(`t5`.`company` AS BINARY) = 'Netflix' THEN 1 ELSE NULL END),
      0
    ) AS DOUBLE) AS `netflix_products`
  FROM (
    SELECT
      `t4`.`product_key`,
      `t4`.`ratings`,
      `t4`.`stars`,
      `t4`.`liked`,
      `t4`.`last_time_key`,
      `t4`.`product_id`,
      `t4`.`company`,
      `t4`.`title`,
      `t4`.`title_key`,
      `t4`.`year_released`,
      CAST(`t4`.`stars` AS DOUBLE) / CAST(NULLIF(`t4`.`ratings`, 0) AS DOUBLE) AS `mean`
    FROM (
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
    ) AS `t4`
  ) AS `t5`
)
SELECT
  `t10`.`measure`,
  `t10`.`amazon`,
  `t10`.`netflix`,
  `t10`.`amazon` - `t10`.`netflix` AS `difference`,
  `t10`.`amazon` / `t10`.`netflix` AS `ratio`
FROM (
  SELECT
    *
  FROM (
    SELECT
      'mean over ratings' AS `measure`,
      `t7`.`amazon_ratings` AS `amazon`,
      `t7`.`netflix_ratings` AS `netflix`
    FROM `t6` AS `t7`
  ) AS `t8`
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      'mean over products' AS `measure`,
      `t7`.`amazon_products` AS `amazon`,
      `t7`.`netflix_products` AS `netflix`
    FROM `t6` AS `t7`
  ) AS `t9`
) AS `t10`
ORDER BY
  `t10`.`measure` DESC;
