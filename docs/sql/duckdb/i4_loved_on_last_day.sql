-- i4_loved_on_last_day
-- Which Netflix films were rated on the last date with a mean of at least 4.7 that day? Netflix
-- products rated on Netflix's latest rating date whose mean on that date is at least 4.7, by that mean
-- descending, ratings on that date descending, title, product_id.
SELECT
  "t15"."rank",
  "t15"."title",
  "t15"."product_id",
  "t15"."mean",
  "t15"."ratings"
FROM (
  SELECT
    "t14"."product_key",
    "t14"."time_key",
    "t14"."ratings",
    "t14"."stars",
    "t14"."product_id",
    "t14"."company",
    "t14"."title",
    "t14"."title_key",
    "t14"."year_released",
    "t14"."mean",
    (
      ROW_NUMBER() OVER (
        ORDER BY "t14"."mean" DESC, "t14"."ratings" DESC, "t14"."title" ASC, "t14"."product_id" ASC
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
    WHERE
      (
        "t13"."stars" * 10
      ) >= (
        "t13"."ratings" * 47
      )
  ) AS "t14"
) AS "t15"
ORDER BY
  "t15"."rank" ASC;
