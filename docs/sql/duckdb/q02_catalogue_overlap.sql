-- q02_catalogue_overlap
-- Of the films on Amazon, what percentage are on Netflix? Distinct Amazon titles with an equal Netflix
-- title. Strict compares (and counts) titles as written; normalised compares (and counts) title keys.
-- Base: the distinct Amazon titles of that comparison.
SELECT
  "t9"."comparison",
  "t9"."amazon_titles",
  "t9"."also_on_netflix",
  "t9"."percent"
FROM (
  SELECT
    *
  FROM (
    SELECT
      "t5"."amazon_titles",
      "t5"."also_on_netflix",
      'strict' AS "comparison",
      (
        CAST("t5"."also_on_netflix" AS DOUBLE) / CAST(NULLIF("t5"."amazon_titles", 0) AS DOUBLE)
      ) * 100 AS "percent"
    FROM (
      SELECT
        COUNT(*) AS "amazon_titles",
        COUNT(NULLIF("t3"."on_netflix", 0)) AS "also_on_netflix"
      FROM (
        SELECT
          *
        FROM (
          SELECT
            "t0"."title",
            MAX(CAST("t0"."company" = 'Amazon' AS BIGINT)) AS "on_amazon",
            MAX(CAST("t0"."company" = 'Netflix' AS BIGINT)) AS "on_netflix"
          FROM "dim_product" AS "t0"
          GROUP BY
            1
        ) AS "t1"
        WHERE
          "t1"."on_amazon" = 1
      ) AS "t3"
    ) AS "t5"
  ) AS "t7"
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      "t6"."amazon_titles",
      "t6"."also_on_netflix",
      'normalised' AS "comparison",
      (
        CAST("t6"."also_on_netflix" AS DOUBLE) / CAST(NULLIF("t6"."amazon_titles", 0) AS DOUBLE)
      ) * 100 AS "percent"
    FROM (
      SELECT
        COUNT(*) AS "amazon_titles",
        COUNT(NULLIF("t4"."on_netflix", 0)) AS "also_on_netflix"
      FROM (
        SELECT
          *
        FROM (
          SELECT
            "t0"."title_key" AS "title",
            MAX(CAST("t0"."company" = 'Amazon' AS BIGINT)) AS "on_amazon",
            MAX(CAST("t0"."company" = 'Netflix' AS BIGINT)) AS "on_netflix"
          FROM "dim_product" AS "t0"
          GROUP BY
            1
        ) AS "t2"
        WHERE
          "t2"."on_amazon" = 1
      ) AS "t4"
    ) AS "t6"
  ) AS "t8"
) AS "t9"
ORDER BY
  "t9"."comparison" DESC;
