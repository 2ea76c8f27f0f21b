-- i4_loved_on_last_day
-- Which Netflix films were rated on the last date with a mean of at least 4.7 that day? Netflix
-- products rated on Netflix's latest rating date whose mean on that date is at least 4.7, by that mean
-- descending, ratings on that date descending, title, product_id.
SELECT
  "t13"."rank",
  "t13"."title",
  "t13"."product_id",
  "t13"."mean",
  "t13"."ratings"
FROM (
  SELECT
    "t12"."product_key",
    "t12"."time_key",
    "t12"."ratings",
    "t12"."stars",
    "t12"."product_id",
    "t12"."company",
    "t12"."title",
    "t12"."title_key",
    "t12"."year_released",
    "t12"."mean",
    (
      ROW_NUMBER() OVER (
        ORDER BY "t12"."mean" DESC, "t12"."ratings" DESC, "t12"."title" ASC, "t12"."product_id" ASC
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
                    "t1"."company" = 'Netflix'
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
          "t1"."company" = 'Netflix'
      ) AS "t5"
        ON "t10"."product_key" = "t5"."product_key"
    ) AS "t11"
    WHERE
      (
        "t11"."stars" * 10
      ) >= (
        "t11"."ratings" * 47
      )
  ) AS "t12"
) AS "t13"
ORDER BY
  "t13"."rank" ASC;
