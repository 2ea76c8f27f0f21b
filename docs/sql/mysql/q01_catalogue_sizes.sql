-- q01_catalogue_sizes
-- How many films are available on Amazon? On Netflix? Distinct products per company; also distinct
-- titles and distinct title keys.
SELECT
  `t7`.`company`,
  `t7`.`products`,
  `t7`.`titles`,
  `t7`.`title_keys`
FROM (
  SELECT
    *
  FROM (
    SELECT
      `t3`.`products`,
      `t3`.`titles`,
      `t3`.`title_keys`,
      'Amazon' AS `company`
    FROM (
      SELECT
        COUNT(*) AS `products`,
        COUNT(DISTINCT `t1`.`title`) AS `titles`,
        COUNT(DISTINCT `t1`.`title_key`) AS `title_keys`
      FROM (
        SELECT
          *
        FROM `dim_product` AS `t0`
        WHERE
          CAST(`t0`.`company` AS BINARY) = 'Amazon'
      ) AS `t1`
    ) AS `t3`
  ) AS `t5`
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      `t4`.`products`,
      `t4`.`titles`,
      `t4`.`title_keys`,
      'Netflix' AS `company`
    FROM (
      SELECT
        COUNT(*) AS `products`,
        COUNT(DISTINCT `t2`.`title`) AS `titles`,
        COUNT(DISTINCT `t2`.`title_key`) AS `title_keys`
      FROM (
        SELECT
          *
        FROM `dim_product` AS `t0`
        WHERE
          CAST(`t0`.`company` AS BINARY) = 'Netflix'
      ) AS `t2`
    ) AS `t4`
  ) AS `t6`
) AS `t7`
ORDER BY
  CASE WHEN `t7`.`company` IS NULL THEN 1 ELSE 0 END, `t7`.`company` ASC;
