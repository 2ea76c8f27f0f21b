-- i6_busiest_customers
-- Which 5 Netflix customers have most ratings, and how many? By ratings descending, then customer_id;
-- the first 5.
SELECT
  "t3"."rank",
  CAST("t3"."customer_id" AS BIGINT) AS "customer_id",
  CAST("t3"."ratings" AS BIGINT) AS "ratings"
FROM (
  SELECT
    "t2"."company",
    "t2"."customer_id",
    "t2"."ratings",
    (
      ROW_NUMBER() OVER (
        ORDER BY "t2"."ratings" DESC, "t2"."customer_id" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) - 1
    ) + 1 AS "rank"
  FROM (
    SELECT
      *
    FROM "customer_totals" AS "t0"
    WHERE
      "t0"."company" = 'Netflix'
    ORDER BY
      "t0"."ratings" DESC,
      "t0"."customer_id" ASC
    LIMIT 5
  ) AS "t2"
) AS "t3"
ORDER BY
  "t3"."rank" ASC;
