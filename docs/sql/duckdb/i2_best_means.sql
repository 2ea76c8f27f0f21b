-- i2_best_means
-- Which 5 Netflix films have the best mean? By mean over all their ratings descending, ratings
-- descending, title, product_id; the first 5.
SELECT
  "t8"."rank",
  "t8"."title",
  "t8"."product_id",
  "t8"."mean",
  "t8"."ratings"
FROM (
  SELECT
    "t7"."product_key",
    "t7"."ratings",
    "t7"."stars",
    "t7"."liked",
    "t7"."last_time_key",
    "t7"."product_id",
    "t7"."company",
    "t7"."title",
    "t7"."title_key",
    "t7"."year_released",
    "t7"."mean",
    (
      ROW_NUMBER() OVER (
        ORDER BY "t7"."mean" DESC, "t7"."ratings" DESC, "t7"."title" ASC, "t7"."product_id" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1
    ) + 1 AS "rank"
  FROM (
    SELECT
      "t5"."product_key",
      "t5"."ratings",
      "t5"."stars",
      "t5"."liked",
      "t5"."last_time_key",
      "t5"."product_id",
      "t5"."company",
      "t5"."title",
      "t5"."title_key",
      "t5"."year_released",
      CAST("t5"."stars" AS DOUBLE) / CAST(NULLIF("t5"."ratings", 0) AS DOUBLE) AS "mean"
    FROM (
      SELECT
        "t2"."product_key",
        "t2"."ratings",
        "t2"."stars",
        "t2"."liked",
        "t2"."last_time_key",
        "t4"."product_id",
        "t4"."company",
        "t4"."title",
        "t4"."title_key",
        "t4"."year_released"
      FROM "product_totals" AS "t2"
      INNER JOIN (
        SELECT
          *
        FROM "dim_product" AS "t1"
        WHERE
          "t1"."company" = 'Netflix'
      ) AS "t4"
        ON "t2"."product_key" = "t4"."product_key"
    ) AS "t5"
    ORDER BY
      CAST("t5"."stars" AS DOUBLE) / CAST(NULLIF("t5"."ratings", 0) AS DOUBLE) DESC,
      "t5"."ratings" DESC,
      "t5"."title" ASC,
      "t5"."product_id" ASC
    LIMIT 5
  ) AS "t7"
) AS "t8"
ORDER BY
  "t8"."rank" ASC;
