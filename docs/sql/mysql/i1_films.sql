-- i1_films
-- How many films are in the Netflix dataset? Distinct Netflix products.
SELECT
  'Netflix' AS `company`,
  `t2`.`films`
FROM (
  SELECT
    COUNT(*) AS `films`
  FROM (
    SELECT
      *
    FROM `dim_product` AS `t0`
    WHERE
      CAST(`t0`.`company` AS BINARY) = 'Netflix'
  ) AS `t1`
) AS `t2`;
