-- What is on its way out (index outbox_due), and what could not be delivered (outbox_dead). Pings that were lost need nobody.
-- $1: so many of each are counted.
SELECT w.count AS pending, w.oldest AS pending_oldest, d.count AS dead, d.oldest AS dead_oldest
  FROM (SELECT count(*), min(created_at) AS oldest
          FROM (SELECT created_at FROM outbox WHERE relay_at IS NOT NULL ORDER BY relay_at LIMIT $1) AS taken) AS w,
       (SELECT count(*), min(finished_at) AS oldest
          FROM (SELECT finished_at FROM outbox WHERE status = 'dead' AND COALESCE(effect ->> 'kind', '') NOT IN ('ping', 'error')
                 ORDER BY finished_at LIMIT $1) AS taken) AS d
