-- q04_release_years
-- Which release year has most films on Netflix? Netflix products per year_released (> 0, that is,
-- known), most first; years with equally many share a rank.
SELECT
  "t3"."rank",
  CAST("t3"."year_released" AS INT) AS "year_released",
  "t3"."films"
FROM (
  SELECT
    "t2"."year_released",
    "t2"."films",
    (
      RANK() OVER (
        ORDER BY "t2"."films" DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1
    ) + 1 AS "rank"
  FROM (
    SELECT
      "t1"."year_released",
      COUNT(*) AS "films"
    FROM (
      SELECT
        *
      FROM "dim_product" AS "t0"
      WHERE
        "t0"."company" = 'Netflix' AND "t0"."year_released" > 0
    ) AS "t1"
    GROUP BY
      1
  ) AS "t2"
) AS "t3"
ORDER BY
  "t3"."rank" ASC,
  CAST("t3"."year_released" AS INT) ASC;
