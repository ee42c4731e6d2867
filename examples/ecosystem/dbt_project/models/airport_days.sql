-- Landings of each airport by day, from the log of airport_arrivals@1.
select
    airport,
    cast(_event_time as date) as day,
    count(*) as landings,
    avg(arr_delay) as mean_delay
from read_parquet({{ var('airport_arrivals') }})
where not _deleted
group by airport, day
