-- i6_busiest_customers
-- Which 5 Netflix customers have most ratings, and how many? By ratings descending, then customer_id;
-- the first 5.
SELECT
  `t3`.`rank`,
  CAST(`t3`.`customer_id` AS SIGNED) AS `customer_id`,
  CAST(`t3`.`ratings` AS SIGNED) AS `ratings`
FROM (
  SELECT
    `t2`.`company`,
    `t2`.`customer_id`,
    `t2`.`ratings`,
    (
      ROW_NUMBER() OVER (
        ORDER BY `t2`.`ratings` DESC, CASE WHEN `t2`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t2`.`customer_id` ASC
      ) - 1
    ) + 1 AS `rank`
  FROM (
    SELECT
      *
    FROM `customer_totals` AS `t0`
    WHERE
      CAST(`t0`.`company` AS BINARY) = 'Netflix'
    ORDER BY
      `t0`.`ratings` DESC,
      CASE WHEN `t0`.`customer_id` IS NULL THEN 1 ELSE 0 END, `t0`.`customer_id` ASC
    LIMIT 5
  ) AS `t2`
) AS `t3`
ORDER BY
  CASE WHEN `t3`.`rank` IS NULL THEN 1 ELSE 0 END, `t3`.`rank` ASC;
