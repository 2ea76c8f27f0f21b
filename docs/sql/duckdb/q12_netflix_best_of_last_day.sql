-- q12_netflix_best_of_last_day
-- Which 10 are rated best on Netflix's most recent rating date? Netflix products rated on the
-- company's latest rating date, by their mean on that date and ratings on that date, both descending,
-- then title, product_id; the first 10.
SELECT
  "t16"."rank",
  "t16"."title",
  "t16"."product_id",
  "t16"."mean",
  "t16"."ratings"
FROM (
  SELECT
    "t15"."product_key",
    "t15"."time_key",
    "t15"."ratings",
    "t15"."stars",
    "t15"."product_id",
    "t15"."company",
    "t15"."title",
    "t15"."title_key",
    "t15"."year_released",
    "t15"."mean",
    (
      ROW_NUMBER() OVER (
        ORDER BY "t15"."mean" DESC, "t15"."ratings" DESC, "t15"."title" ASC, "t15"."product_id" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1
    ) + 1 AS "rank"
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
      CAST("t13"."stars" AS DOUBLE) / CAST(NULLIF("t13"."ratings", 0) AS DOUBLE) AS "mean"
    FROM (
      SELECT
        "t12"."product_key",
        "t12"."time_key",
        "t12"."ratings",
        "t12"."stars",
        "t6"."product_id",
        "t6"."company",
        "t6"."title",
        "t6"."title_key",
        "t6"."year_released"
      FROM (
        SELECT
          "t10"."product_key",
          MAX("t10"."last_key") AS "time_key",
          COUNT(*) AS "ratings",
          CAST(SUM("t10"."star_rating") AS BIGINT) AS "stars"
        FROM (
          SELECT
            "t3"."product_key",
            "t3"."time_key",
            "t3"."customer_id",
            "t3"."star_rating",
            "t3"."year",
            "t9"."last_key"
          FROM "fact_rating" AS "t3"
          INNER JOIN (
            SELECT
              MAX("t7"."last_time_key") AS "last_key"
            FROM (
              SELECT
                "t4"."product_key",
                "t4"."ratings",
                "t4"."stars",
                "t4"."liked",
                "t4"."last_time_key"
              FROM "product_totals" AS "t4"
              SEMI JOIN (
                SELECT
                  *
                FROM "dim_product" AS "t0"
                WHERE
                  "t0"."company" = 'Netflix'
              ) AS "t6"
                ON "t4"."product_key" = "t6"."product_key"
            ) AS "t7"
          ) AS "t9"
            ON "t3"."time_key" = "t9"."last_key"
        ) AS "t10"
        GROUP BY
          1
      ) AS "t12"
      INNER JOIN (
        SELECT
          *
        FROM "dim_product" AS "t0"
        WHERE
          "t0"."company" = 'Netflix'
      ) AS "t6"
        ON "t12"."product_key" = "t6"."product_key"
    ) AS "t13"
    ORDER BY
      CAST("t13"."stars" AS DOUBLE) / CAST(NULLIF("t13"."ratings", 0) AS DOUBLE) DESC,
      "t13"."ratings" DESC,
      "t13"."title" ASC,
      "t13"."product_id" ASC
    LIMIT 10
  ) AS "t15"
) AS "t16"
ORDER BY
  "t16"."rank" ASC;
