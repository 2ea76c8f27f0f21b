-- i3_fewest_films
-- Which 9 release years have fewest films on Netflix? Netflix products per year_released (> 0, that
-- is, known; years without films are not counted), by films, then year_released; the first 9.
SELECT
  `t5`.`rank`,
  CAST(`t5`.`year_released` AS SIGNED) AS `year_released`,
  `t5`.`films`
FROM (
  SELECT
    `t4`.`year_released`,
    `t4`.`films`,
    (
      ROW_NUMBER() OVER (
        ORDER BY CASE WHEN `t4`.`films` IS NULL THEN 1 ELSE 0 END, `t4`.`films` ASC, CASE WHEN `t4`.`year_released` IS NULL THEN 1 ELSE 0 END, `t4`.`year_released` ASC
      ) - 1
    ) + 1 AS `rank`
  FROM (
    SELECT
      *
    FROM (
      SELECT
        `t1`.`year_released`,
        COUNT(*) AS `films`
      FROM (
        SELECT
          *
        FROM `dim_product` AS `t0`
        WHERE
          CAST(`t0`.`company` AS BINARY) = 'Netflix' AND `t0`.`year_released` > 0
      ) AS `t1`
      GROUP BY
        1
    ) AS `t2`
    ORDER BY
      CASE WHEN `t2`.`films` IS NULL THEN 1 ELSE 0 END, `t2`.`films` ASC,
      CASE WHEN `t2`.`year_released` IS NULL THEN 1 ELSE 0 END, `t2`.`year_released` ASC
    LIMIT 9
  ) AS `t4`
) AS `t5`
ORDER BY
  CASE WHEN `t5`.`rank` IS NULL THEN 1 ELSE 0 END, `t5`.`rank` ASC;
