-- q10_amazon_best_of_last_day
-- Which 10 are rated best on Amazon's most recent rating date? Amazon products rated on the company's
-- latest rating date, by their mean on that date and ratings on that date, both descending, then
-- title, product_id; the first 10.
SELECT
  "t14"."rank",
  "t14"."title",
  "t14"."product_id",
  "t14"."mean",
  "t14"."ratings"
FROM (
  SELECT
    "t13"."product_key",
    "t13"."time_key",
    "t13"."ratings",
    "t13"."stars",
    "t13"."product_id",
    "t13"."company",
    "t13"."title",
    "t13"."title_key",
    "t13"."year_released",
    "t13"."mean",
    (
      ROW_NUMBER() OVER (
        ORDER BY "t13"."mean" DESC, "t13"."ratings" DESC, "t13"."title" ASC, "t13"."product_id" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1
    ) + 1 AS "rank"
  FROM (
    SELECT
      "t11"."product_key",
      "t11"."time_key",
      "t11"."ratings",
      "t11"."stars",
      "t11"."product_id",
      "t11"."company",
      "t11"."title",
      "t11"."title_key",
      "t11"."year_released",
      CAST("t11"."stars" AS DOUBLE) / CAST(NULLIF("t11"."ratings", 0) AS DOUBLE) AS "mean"
    FROM (
      SELECT
        "t10"."product_key",
        "t10"."time_key",
        "t10"."ratings",
        "t10"."stars",
        "t5"."product_id",
        "t5"."company",
        "t5"."title",
        "t5"."title_key",
        "t5"."year_released"
      FROM (
        SELECT
          "t8"."product_key",
          MAX("t8"."time_key") AS "time_key",
          COUNT(*) AS "ratings",
          SUM("t8"."star_rating") AS "stars"
        FROM (
          SELECT
            *
          FROM "fact_rating" AS "t0"
          WHERE
            "t0"."time_key" = (
              SELECT
                MAX("t6"."last_time_key") AS "Max(last_time_key)"
              FROM (
                SELECT
                  "t3"."product_key",
                  "t3"."ratings",
                  "t3"."stars",
                  "t3"."liked",
                  "t3"."last_time_key"
                FROM "product_totals" AS "t3"
                SEMI JOIN (
                  SELECT
                    *
                  FROM "dim_product" AS "t1"
                  WHERE
                    "t1"."company" = 'Amazon'
                ) AS "t5"
                  ON "t3"."product_key" = "t5"."product_key"
              ) AS "t6"
            )
        ) AS "t8"
        GROUP BY
          1
      ) AS "t10"
      INNER JOIN (
        SELECT
          *
        FROM "dim_product" AS "t1"
        WHERE
          "t1"."company" = 'Amazon'
      ) AS "t5"
        ON "t10"."product_key" = "t5"."product_key"
    ) AS "t11"
    ORDER BY
      CAST("t11"."stars" AS DOUBLE) / CAST(NULLIF("t11"."ratings", 0) AS DOUBLE) DESC,
      "t11"."ratings" DESC,
      "t11"."title" ASC,
      "t11"."product_id" ASC
    LIMIT 10
  ) AS "t13"
) AS "t14"
ORDER BY
  "t14"."rank" ASC;
