-- i5_least_loved_of_these
-- Of the films of I4, which 10 have the worst mean, and what is the mean? The products of I4 by their
-- mean on that date, ratings on that date descending, title, product_id; the first 10. Each row also
-- has the mean over all ratings that these (up to 10) products got on that date.
SELECT
  "t17"."rank",
  "t17"."title",
  "t17"."product_id",
  "t17"."mean",
  "t17"."ratings",
  "t17"."mean_of_these"
FROM (
  SELECT
    "t16"."product_key",
    "t16"."time_key",
    "t16"."ratings",
    "t16"."stars",
    "t16"."product_id",
    "t16"."company",
    "t16"."title",
    "t16"."title_key",
    "t16"."year_released",
    "t16"."mean",
    "t16"."rank",
    CAST(SUM("t16"."stars") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS DOUBLE) / CAST(NULLIF(
      SUM("t16"."ratings") OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING),
      0
    ) AS DOUBLE) AS "mean_of_these"
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
          ORDER BY "t15"."mean" ASC, "t15"."ratings" DESC, "t15"."title" ASC, "t15"."product_id" ASC
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
      ORDER BY
        CAST("t13"."stars" AS DOUBLE) / CAST(NULLIF("t13"."ratings", 0) AS DOUBLE) ASC,
        "t13"."ratings" DESC,
        "t13"."title" ASC,
        "t13"."product_id" ASC
      LIMIT 10
    ) AS "t15"
  ) AS "t16"
) AS "t17"
ORDER BY
  "t17"."rank" ASC;
