-- i3_fewest_films
-- Which 9 release years have fewest films on Netflix? Netflix products per year_released (> 0, that
-- is, known; years without films are not counted), by films, then year_released; the first 9.
SELECT
  "t5"."rank",
  CAST("t5"."year_released" AS INT) AS "year_released",
  "t5"."films"
FROM (
  SELECT
    "t4"."year_released",
    "t4"."films",
    (
      ROW_NUMBER() OVER (
        ORDER BY "t4"."films" ASC, "t4"."year_released" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1
    ) + 1 AS "rank"
  FROM (
    SELECT
      *
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
    ORDER BY
      "t2"."films" ASC,
      "t2"."year_released" ASC
    LIMIT 9
  ) AS "t4"
) AS "t5"
ORDER BY
  "t5"."rank" ASC;
