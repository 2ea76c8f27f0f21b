-- q02_catalogue_overlap
-- Of the films on Amazon, what percentage are on Netflix? Distinct Amazon titles with an equal Netflix
-- title. Strict compares (and counts) titles as written; normalised compares (and counts) title keys.
-- Base: the distinct Amazon titles of that comparison.
SELECT
  "t15"."comparison",
  "t15"."amazon_titles",
  "t15"."also_on_netflix",
  "t15"."percent"
FROM (
  SELECT
    *
  FROM (
    SELECT
      "t11"."amazon_titles",
      "t11"."also_on_netflix",
      'strict' AS "comparison",
      (
        CAST("t11"."also_on_netflix" AS DOUBLE) / CAST(NULLIF("t11"."amazon_titles", 0) AS DOUBLE)
      ) * 100 AS "percent"
    FROM (
      SELECT
        COUNT(*) AS "amazon_titles",
        COUNT("t9"."found") AS "also_on_netflix"
      FROM (
        SELECT
          "t5"."title",
          "t7"."title" AS "title_right",
          "t7"."found"
        FROM (
          SELECT DISTINCT
            "t0"."title"
          FROM "dim_product" AS "t0"
          WHERE
            "t0"."company" = 'Amazon'
        ) AS "t5"
        LEFT OUTER JOIN (
          SELECT DISTINCT
            "t0"."title",
            1 AS "found"
          FROM "dim_product" AS "t0"
          WHERE
            "t0"."company" = 'Netflix'
        ) AS "t7"
          ON "t5"."title" = "t7"."title"
      ) AS "t9"
    ) AS "t11"
  ) AS "t13"
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      "t12"."amazon_titles",
      "t12"."also_on_netflix",
      'normalised' AS "comparison",
      (
        CAST("t12"."also_on_netflix" AS DOUBLE) / CAST(NULLIF("t12"."amazon_titles", 0) AS DOUBLE)
      ) * 100 AS "percent"
    FROM (
      SELECT
        COUNT(*) AS "amazon_titles",
        COUNT("t10"."found") AS "also_on_netflix"
      FROM (
        SELECT
          "t6"."title",
          "t8"."title" AS "title_right",
          "t8"."found"
        FROM (
          SELECT DISTINCT
            "t0"."title_key" AS "title"
          FROM "dim_product" AS "t0"
          WHERE
            "t0"."company" = 'Amazon'
        ) AS "t6"
        LEFT OUTER JOIN (
          SELECT DISTINCT
            "t0"."title_key" AS "title",
            1 AS "found"
          FROM "dim_product" AS "t0"
          WHERE
            "t0"."company" = 'Netflix'
        ) AS "t8"
          ON "t6"."title" = "t8"."title"
      ) AS "t10"
    ) AS "t12"
  ) AS "t14"
) AS "t15"
ORDER BY
  "t15"."comparison" DESC;
