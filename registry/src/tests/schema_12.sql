PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE access_counts (
        minute BIGINT NOT NULL,
        subject TEXT NOT NULL,
        action TEXT NOT NULL,
        resource TEXT NOT NULL,
        allowed BIGINT NOT NULL,
        PRIMARY KEY (minute, subject, action, resource)
    );
CREATE TABLE applies (
        generation BIGINT NOT NULL PRIMARY KEY,
        applied_at BIGINT NOT NULL,
        summary TEXT NOT NULL
    );
INSERT INTO "applies" VALUES(1,1796026454255763,'+ entity aircraft → aircraft_last_flight@1, late_arrival@1
+ entity airport → airport_arrivals@1, route@1, late_arrival@1
+ source landings → aircraft_last_flight@1, airport_arrivals@1, route@1, late_arrival@1
+ view aircraft_last_flight@1 (2 features) → late_arrival@1
+ view airport_arrivals@1 (3 features) → route@1, late_arrival@1
+ on-demand view route@1 (1 feature) → late_arrival@1
+ service late_arrival@1
7 to add');
CREATE TABLE audit (
        entry BIGINT NOT NULL PRIMARY KEY,
        format BIGINT NOT NULL,
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        from_state TEXT,
        to_state TEXT,
        reason TEXT,
        detail TEXT,
        hash TEXT NOT NULL
    );
INSERT INTO "audit" VALUES(1,1,1796026454255763,'root','add','entity aircraft',NULL,'revision 1 of hash 1d24c6ab3c87f06abbf3c003b1a2275fb7669bcb52ad493db7e6211f61531bf0',NULL,NULL,'0099b8b0ed4645199a597821e27a739d3c52275256f567c7846477aa73aab2a1');
INSERT INTO "audit" VALUES(2,1,1796026454255763,'root','add','entity airport',NULL,'revision 1 of hash 16d983b8acecfacdfec4bd60a88d60b1dfea3cf5375d955861c21f4d8e3820c4',NULL,NULL,'b55504fa71d0c766167ef9f0828dc25f7bfbd7e2091516b4d1ceb3218dc67050');
INSERT INTO "audit" VALUES(3,1,1796026454255763,'root','add','source landings',NULL,'revision 1 of hash b4b940641bff793815f395cdf388f861b4f4474f301307e128e60dc1941b1d57',NULL,NULL,'0a139381a733ecc9c1f5fd85b6ee98b7017ba2b465ecc85d0256205e34a6dc5c');
INSERT INTO "audit" VALUES(4,1,1796026454255763,'root','add','feature_view aircraft_last_flight@1',NULL,'revision 1 of hash a38b4b7403c9ec34cbebb152526fb144758b37698a5c70f00017688060896992',NULL,NULL,'e5c101bd6a4152088688a8cd52d27010bbd8f86c71eca679177c10f74148d578');
INSERT INTO "audit" VALUES(5,1,1796026454255763,'root','add','feature_view airport_arrivals@1',NULL,'revision 1 of hash e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18',NULL,NULL,'317729cc1aa51c8a01e7fb997077b101e463507cef0eab6f71cec0b1806d5b53');
INSERT INTO "audit" VALUES(6,1,1796026454255763,'root','add','on_demand_view route@1',NULL,'revision 1 of hash ec898eb03961f08de3491e5b81bdf51cd20f46f8af6d0ce79a470b18fc52c542',NULL,NULL,'c3615ff536bcf28eae86351694663e62095f2c905fb63fec3cc1b4d7823ae57a');
INSERT INTO "audit" VALUES(7,1,1796026454255763,'root','add','feature_service late_arrival@1',NULL,'revision 1 of hash 2eb046d21d22f52bbc7102312ef086b5c20f3d4803836383c209f58ec751b066',NULL,NULL,'0a81a942ad219800f692458276ad21cc2eb9016a819bebe45ad5f5ee23dbe206');
INSERT INTO "audit" VALUES(8,1,1796026454255763,'root','go_live','feature_service late_arrival',NULL,'late_arrival@1',NULL,NULL,'311cf2a39dd22f139588ec2fa205adbb7c9e398bd762b3b8f4acd85edf83ba5b');
INSERT INTO "audit" VALUES(9,1,1796026454397457,'root','first_use','feature_view airport_arrivals@1',NULL,'used by backfill',NULL,NULL,'d4709d796220a6d7358a140f79da04d63e5ae51a279b64082738438510cc9c8d');
INSERT INTO "audit" VALUES(10,1,1796026454398276,'root','first_use','feature_view aircraft_last_flight@1',NULL,'used by backfill',NULL,NULL,'4cd486d9a4863cd00290398720816448647858558692d205da8664e1a4989f47');
CREATE TABLE backfill_dates (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        number BIGINT NOT NULL,
        day BIGINT NOT NULL,
        body TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (name, version, number, day)
    );
CREATE TABLE backfills (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        number BIGINT NOT NULL,
        state TEXT NOT NULL,
        request TEXT NOT NULL,
        body TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (name, version, number)
    );
CREATE TABLE canaries (
        name TEXT NOT NULL PRIMARY KEY,
        version BIGINT NOT NULL,
        percent BIGINT NOT NULL,
        since BIGINT NOT NULL
    );
CREATE TABLE definitions (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        hash TEXT NOT NULL,
        canonical TEXT NOT NULL,
        body TEXT NOT NULL,
        source_text TEXT NOT NULL,
        source_file TEXT NOT NULL,
        revision BIGINT NOT NULL,
        PRIMARY KEY (kind, name, version)
    );
INSERT INTO "definitions" VALUES('entity','aircraft',0,'1d24c6ab3c87f06abbf3c003b1a2275fb7669bcb52ad493db7e6211f61531bf0','{"format":1,"keys":[{"data_type":"string","name":"tailnum"}],"kind":"entity"}','{"format":1,"entity":{"name":"aircraft","keys":[{"name":"tailnum","data_type":"string"}],"about":{"owner":null,"description":null,"tags":{}}}}','kind: entity
name: aircraft
keys: {tailnum: string}
','features/flights.yaml',1);
INSERT INTO "definitions" VALUES('entity','airport',0,'16d983b8acecfacdfec4bd60a88d60b1dfea3cf5375d955861c21f4d8e3820c4','{"format":1,"keys":[{"data_type":"string","name":"airport"}],"kind":"entity"}','{"format":1,"entity":{"name":"airport","keys":[{"name":"airport","data_type":"string"}],"about":{"owner":null,"description":null,"tags":{}}}}','# A small project: how late have flights been landing, and will this one arrive late?
# The key names and types below are all in the reference of definitions.

# Entities: what features describe. A key is a column by which rows are found.
kind: entity
name: airport
keys: {airport: string}
','features/flights.yaml',1);
INSERT INTO "definitions" VALUES('source','landings',0,'b4b940641bff793815f395cdf388f861b4f4474f301307e128e60dc1941b1d57','{"format":1,"kind":"source","source":{"allowed_lateness":null,"assumed_delay":"2m","available_at":null,"batch":{"path":"data/landings.parquet"},"event_time":"landed_at","max_ahead":"1h","name":"landings","schema":[{"data_type":"int64","name":"flight_id"},{"data_type":"timestamp","name":"landed_at"},{"data_type":"string","name":"tailnum"},{"data_type":"string","name":"origin"},{"data_type":"string","name":"dest"},{"data_type":"float32","name":"arr_delay"},{"data_type":"float32","name":"air_time"},{"data_type":"int32","name":"distance"}],"stream":null}}','{"format":1,"source":{"source":{"name":"landings","schema":[{"name":"flight_id","data_type":"int64"},{"name":"landed_at","data_type":"timestamp"},{"name":"tailnum","data_type":"string"},{"name":"origin","data_type":"string"},{"name":"dest","data_type":"string"},{"name":"arr_delay","data_type":"float32"},{"name":"air_time","data_type":"float32"},{"name":"distance","data_type":"int32"}],"event_time":"landed_at","available_at":null,"assumed_delay":"2m","allowed_lateness":null,"max_ahead":"1h","batch":{"path":"data/landings.parquet"},"stream":null},"about":{"owner":null,"description":null,"tags":{}}}}','# A source: where rows come from, and when a row happened. In history the moment from which a row
# could be read was not recorded; `assumed_delay` states it, so that training cannot see more.
kind: source
name: landings
schema:
  flight_id: int64
  landed_at: timestamp
  tailnum: string
  origin: string
  dest: string
  arr_delay: float32      # minutes, negative when early
  air_time: float32       # minutes
  distance: int32         # miles
event_time: landed_at
batch: {path: data/landings.parquet}
assumed_delay: 2m
','features/flights.yaml',1);
INSERT INTO "definitions" VALUES('feature_view','aircraft_last_flight',1,'a38b4b7403c9ec34cbebb152526fb144758b37698a5c70f00017688060896992','{"entity":{"keys":[{"data_type":"string","name":"tailnum"}],"name":"aircraft"},"expect":[],"features":{"last_delay":{"argument":"arr_delay","fold":"latest","hop":null,"type":"float32","unit":"minutes","window":null},"last_dest":{"argument":"dest","fold":"latest","hop":null,"type":"string","unit":null,"window":null}},"format":1,"keys":{"tailnum":"tailnum"},"kind":"feature_view","retention":null,"source":{"assumed_delay":"2m","available_at":null,"columns":{"arr_delay":"float32","dest":"string","tailnum":"string"},"event_time":"landed_at","max_ahead":"1h"},"ttl":"7d","where":null}','{"format":1,"feature_view":{"id":"aircraft_last_flight@1","entity":"aircraft","keys":[{"name":"tailnum","data_type":"string"}],"source":"landings","key_expressions":["tailnum"],"filter":null,"columns":[{"name":"arr_delay","expression":"arr_delay","data_type":"float32"},{"name":"dest","expression":"dest","data_type":"string"}],"features":[{"name":"last_delay","data_type":"float32","fold":{"latest":{"column":0}},"unit":"minutes","description":null},{"name":"last_dest","data_type":"string","fold":{"latest":{"column":1}},"unit":null,"description":null}],"expectations":[],"ttl":"7d","is_static":false,"retention":null,"freshness":null,"about":{"owner":null,"description":null,"tags":{}},"hash":"a38b4b7403c9ec34cbebb152526fb144758b37698a5c70f00017688060896992"}}','kind: feature_view
name: aircraft_last_flight
version: 1
entity: aircraft
source: landings
ttl: 7d
features:
  last_delay: {latest: arr_delay, unit: minutes}
  last_dest:  {latest: dest}
','features/flights.yaml',1);
INSERT INTO "definitions" VALUES('feature_view','airport_arrivals',1,'e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18','{"entity":{"keys":[{"data_type":"string","name":"airport"}],"name":"airport"},"expect":["arr_delay between - 120 and 1500"],"features":{"arrivals_1d":{"argument":null,"fold":"count","hop":"1h","type":"int64","unit":null,"window":"1d"},"last_delay":{"argument":"arr_delay","fold":"latest","hop":null,"type":"float32","unit":"minutes","window":null},"mean_delay_1d":{"argument":"arr_delay","fold":"mean","hop":"1h","type":"float64","unit":"minutes","window":"1d"}},"format":1,"keys":{"airport":"dest"},"kind":"feature_view","retention":null,"source":{"assumed_delay":"2m","available_at":null,"columns":{"arr_delay":"float32","dest":"string"},"event_time":"landed_at","max_ahead":"1h"},"ttl":"2d","where":null}','{"format":1,"feature_view":{"id":"airport_arrivals@1","entity":"airport","keys":[{"name":"airport","data_type":"string"}],"source":"landings","key_expressions":["dest"],"filter":null,"columns":[{"name":"arr_delay","expression":"arr_delay","data_type":"float32"}],"features":[{"name":"last_delay","data_type":"float32","fold":{"latest":{"column":0}},"unit":"minutes","description":null},{"name":"arrivals_1d","data_type":"int64","fold":{"aggregate":{"function":"count","column":null,"window":{"length":"1d","hop":"1h"}}},"unit":null,"description":null},{"name":"mean_delay_1d","data_type":"float64","fold":{"aggregate":{"function":"mean","column":0,"window":{"length":"1d","hop":"1h"}}},"unit":"minutes","description":null}],"expectations":[{"name":"arr_delay BETWEEN -120 AND 1500","condition":"arr_delay BETWEEN -120 AND 1500","rejects":true}],"ttl":"2d","is_static":false,"retention":null,"freshness":{"objective":"1h","target":99.0},"about":{"owner":null,"description":null,"tags":{}},"hash":"e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18"}}','# A feature view: folds over the rows of one source for one entity.
kind: feature_view
name: airport_arrivals
version: 1
entity: airport
source: landings
keys: {airport: dest}
ttl: 2d
freshness: {objective: 1h, target: 99}
expect:
  - {column: arr_delay, between: [-120, 1500]}
features:
  last_delay:    {latest: arr_delay, unit: minutes}
  arrivals_1d:   {aggregate: count, window: 1d}
  mean_delay_1d: {aggregate: mean(arr_delay), window: 1d, unit: minutes}
','features/flights.yaml',1);
INSERT INTO "definitions" VALUES('on_demand_view','route',1,'ec898eb03961f08de3491e5b81bdf51cd20f46f8af6d0ce79a470b18fc52c542','{"features":{"delay_per_100_miles":{"expression":"dest_mean_delay_1d / ( distance / 100.0 )","type":"float64","unit":"minutes"}},"format":1,"inputs":{"dest_mean_delay_1d":{"feature":"mean_delay_1d","hash":"e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18","on":{"airport":"dest"},"view":"airport_arrivals@1"}},"kind":"on_demand_view","request":{"distance":"int32"}}','{"format":1,"on_demand_view":{"id":"route@1","request":[{"name":"distance","data_type":"int32"}],"inputs":[{"from":"airport_arrivals@1","on":{"airport":"dest"},"take":["mean_delay_1d"],"prefix":"dest_"}],"features":[{"name":"delay_per_100_miles","expression":"dest_mean_delay_1d / (distance / 100.0)","data_type":"float64","unit":"minutes","description":null}],"about":{"owner":null,"description":null,"tags":{}},"hash":"ec898eb03961f08de3491e5b81bdf51cd20f46f8af6d0ce79a470b18fc52c542"}}','# Computed from other features and from what a request, or the spine, brings.
kind: on_demand_view
name: route
version: 1
request: {distance: int32}
inputs:
  - {from: airport_arrivals@1, on: {airport: dest}, take: [mean_delay_1d], prefix: dest_}
features:
  delay_per_100_miles: {expression: "dest_mean_delay_1d / (distance / 100.0)", unit: minutes}
','features/flights.yaml',1);
INSERT INTO "definitions" VALUES('feature_service','late_arrival',1,'2eb046d21d22f52bbc7102312ef086b5c20f3d4803836383c209f58ec751b066','{"format":1,"kind":"feature_service","outputs":[{"feature":"last_delay","hash":"e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18","name":"dest_last_delay","on":{"airport":"dest"},"view":"airport_arrivals@1"},{"feature":"arrivals_1d","hash":"e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18","name":"dest_arrivals_1d","on":{"airport":"dest"},"view":"airport_arrivals@1"},{"feature":"mean_delay_1d","hash":"e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18","name":"dest_mean_delay_1d","on":{"airport":"dest"},"view":"airport_arrivals@1"},{"feature":"last_delay","hash":"a38b4b7403c9ec34cbebb152526fb144758b37698a5c70f00017688060896992","name":"aircraft_last_delay","on":{"tailnum":"tailnum"},"view":"aircraft_last_flight@1"},{"feature":"last_dest","hash":"a38b4b7403c9ec34cbebb152526fb144758b37698a5c70f00017688060896992","name":"aircraft_last_dest","on":{"tailnum":"tailnum"},"view":"aircraft_last_flight@1"},{"feature":"delay_per_100_miles","hash":"ec898eb03961f08de3491e5b81bdf51cd20f46f8af6d0ce79a470b18fc52c542","name":"delay_per_100_miles","on":{},"view":"route@1"}]}','{"format":1,"feature_service":{"id":"late_arrival@1","features":[{"from":"airport_arrivals@1","on":{"airport":"dest"},"take":null,"prefix":"dest_"},{"from":"aircraft_last_flight@1","on":{"tailnum":"tailnum"},"take":null,"prefix":"aircraft_"},{"from":"route@1","on":{},"take":null,"prefix":""}],"consumer":null,"about":{"owner":null,"description":null,"tags":{}},"hash":"2eb046d21d22f52bbc7102312ef086b5c20f3d4803836383c209f58ec751b066"}}','# A service: what one model reads. It pins exact versions.
kind: feature_service
name: late_arrival
version: 1
features:
  - {from: airport_arrivals@1, on: {airport: dest}, prefix: dest_}
  - {from: aircraft_last_flight@1, prefix: aircraft_}
  - {from: route@1}
','features/flights.yaml',1);
CREATE TABLE deprecations (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        since BIGINT NOT NULL,
        sunset BIGINT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (kind, name, version)
    );
CREATE TABLE freshness (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        minute BIGINT NOT NULL,
        stage TEXT NOT NULL,
        edge BIGINT NOT NULL,
        row_count BIGINT NOT NULL,
        PRIMARY KEY (name, version, minute, stage, edge)
    );
CREATE TABLE freshness_reads (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        slot BIGINT NOT NULL,
        began BIGINT NOT NULL,
        good BIGINT NOT NULL,
        bad BIGINT NOT NULL,
        unknown BIGINT NOT NULL,
        missing BIGINT NOT NULL,
        PRIMARY KEY (kind, name, version, slot, began)
    );
CREATE TABLE live_versions (
        name TEXT NOT NULL PRIMARY KEY,
        version BIGINT NOT NULL,
        since BIGINT NOT NULL
    );
INSERT INTO "live_versions" VALUES('late_arrival',1,1796026454255763);
CREATE TABLE parities (
        kind TEXT NOT NULL,
        old_name TEXT NOT NULL,
        old_version BIGINT NOT NULL,
        new_name TEXT NOT NULL,
        new_version BIGINT NOT NULL,
        compared_at BIGINT NOT NULL,
        passed BIGINT NOT NULL,
        old_hash TEXT NOT NULL,
        new_hash TEXT NOT NULL,
        expected TEXT NOT NULL,
        logs TEXT NOT NULL,
        report TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (kind, old_name, old_version, new_name, new_version)
    );
CREATE TABLE progress (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        part BIGINT NOT NULL,
        newest BIGINT,
        received_at BIGINT,
        lag BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        stuck_stage TEXT,
        stuck_why TEXT,
        PRIMARY KEY (name, version, part)
    );
INSERT INTO "progress" VALUES('airport_arrivals',1,-1,1370649360000000,NULL,0,1796026454681937,NULL,NULL);
INSERT INTO "progress" VALUES('aircraft_last_flight',1,-1,1370649360000000,NULL,0,1796026454684756,NULL,NULL);
CREATE TABLE registry (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        schema_version BIGINT NOT NULL,
        generation BIGINT NOT NULL
    , digest TEXT NOT NULL DEFAULT '', revisions_digest TEXT NOT NULL DEFAULT '', audit_entries BIGINT NOT NULL DEFAULT 0, audit_hash TEXT NOT NULL DEFAULT '', access_generation BIGINT NOT NULL DEFAULT 0);
INSERT INTO "registry" VALUES(1,12,1,'4fac507335896754cc9738543ae7e461fc4c5c44117a0e9cb86018af2d4e84d5','46098d174835656099a5811b9419c3c8289b97800d3d454f2d31b5a34fbdf205',10,'4cd486d9a4863cd00290398720816448647858558692d205da8664e1a4989f47',0);
CREATE TABLE retirements (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        since BIGINT NOT NULL,
        reason TEXT NOT NULL,
        freed BIGINT NOT NULL,
        PRIMARY KEY (kind, name, version)
    );
CREATE TABLE revisions (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        generation BIGINT NOT NULL,
        applied_at BIGINT NOT NULL,
        body TEXT NOT NULL,
        source_text TEXT NOT NULL,
        source_file TEXT NOT NULL,
        PRIMARY KEY (kind, name, version, revision)
    );
INSERT INTO "revisions" VALUES('entity','aircraft',0,1,1,1796026454255763,'{"format":1,"entity":{"name":"aircraft","keys":[{"name":"tailnum","data_type":"string"}],"about":{"owner":null,"description":null,"tags":{}}}}','kind: entity
name: aircraft
keys: {tailnum: string}
','features/flights.yaml');
INSERT INTO "revisions" VALUES('entity','airport',0,1,1,1796026454255763,'{"format":1,"entity":{"name":"airport","keys":[{"name":"airport","data_type":"string"}],"about":{"owner":null,"description":null,"tags":{}}}}','# A small project: how late have flights been landing, and will this one arrive late?
# The key names and types below are all in the reference of definitions.

# Entities: what features describe. A key is a column by which rows are found.
kind: entity
name: airport
keys: {airport: string}
','features/flights.yaml');
INSERT INTO "revisions" VALUES('source','landings',0,1,1,1796026454255763,'{"format":1,"source":{"source":{"name":"landings","schema":[{"name":"flight_id","data_type":"int64"},{"name":"landed_at","data_type":"timestamp"},{"name":"tailnum","data_type":"string"},{"name":"origin","data_type":"string"},{"name":"dest","data_type":"string"},{"name":"arr_delay","data_type":"float32"},{"name":"air_time","data_type":"float32"},{"name":"distance","data_type":"int32"}],"event_time":"landed_at","available_at":null,"assumed_delay":"2m","allowed_lateness":null,"max_ahead":"1h","batch":{"path":"data/landings.parquet"},"stream":null},"about":{"owner":null,"description":null,"tags":{}}}}','# A source: where rows come from, and when a row happened. In history the moment from which a row
# could be read was not recorded; `assumed_delay` states it, so that training cannot see more.
kind: source
name: landings
schema:
  flight_id: int64
  landed_at: timestamp
  tailnum: string
  origin: string
  dest: string
  arr_delay: float32      # minutes, negative when early
  air_time: float32       # minutes
  distance: int32         # miles
event_time: landed_at
batch: {path: data/landings.parquet}
assumed_delay: 2m
','features/flights.yaml');
INSERT INTO "revisions" VALUES('feature_view','aircraft_last_flight',1,1,1,1796026454255763,'{"format":1,"feature_view":{"id":"aircraft_last_flight@1","entity":"aircraft","keys":[{"name":"tailnum","data_type":"string"}],"source":"landings","key_expressions":["tailnum"],"filter":null,"columns":[{"name":"arr_delay","expression":"arr_delay","data_type":"float32"},{"name":"dest","expression":"dest","data_type":"string"}],"features":[{"name":"last_delay","data_type":"float32","fold":{"latest":{"column":0}},"unit":"minutes","description":null},{"name":"last_dest","data_type":"string","fold":{"latest":{"column":1}},"unit":null,"description":null}],"expectations":[],"ttl":"7d","is_static":false,"retention":null,"freshness":null,"about":{"owner":null,"description":null,"tags":{}},"hash":"a38b4b7403c9ec34cbebb152526fb144758b37698a5c70f00017688060896992"}}','kind: feature_view
name: aircraft_last_flight
version: 1
entity: aircraft
source: landings
ttl: 7d
features:
  last_delay: {latest: arr_delay, unit: minutes}
  last_dest:  {latest: dest}
','features/flights.yaml');
INSERT INTO "revisions" VALUES('feature_view','airport_arrivals',1,1,1,1796026454255763,'{"format":1,"feature_view":{"id":"airport_arrivals@1","entity":"airport","keys":[{"name":"airport","data_type":"string"}],"source":"landings","key_expressions":["dest"],"filter":null,"columns":[{"name":"arr_delay","expression":"arr_delay","data_type":"float32"}],"features":[{"name":"last_delay","data_type":"float32","fold":{"latest":{"column":0}},"unit":"minutes","description":null},{"name":"arrivals_1d","data_type":"int64","fold":{"aggregate":{"function":"count","column":null,"window":{"length":"1d","hop":"1h"}}},"unit":null,"description":null},{"name":"mean_delay_1d","data_type":"float64","fold":{"aggregate":{"function":"mean","column":0,"window":{"length":"1d","hop":"1h"}}},"unit":"minutes","description":null}],"expectations":[{"name":"arr_delay BETWEEN -120 AND 1500","condition":"arr_delay BETWEEN -120 AND 1500","rejects":true}],"ttl":"2d","is_static":false,"retention":null,"freshness":{"objective":"1h","target":99.0},"about":{"owner":null,"description":null,"tags":{}},"hash":"e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18"}}','# A feature view: folds over the rows of one source for one entity.
kind: feature_view
name: airport_arrivals
version: 1
entity: airport
source: landings
keys: {airport: dest}
ttl: 2d
freshness: {objective: 1h, target: 99}
expect:
  - {column: arr_delay, between: [-120, 1500]}
features:
  last_delay:    {latest: arr_delay, unit: minutes}
  arrivals_1d:   {aggregate: count, window: 1d}
  mean_delay_1d: {aggregate: mean(arr_delay), window: 1d, unit: minutes}
','features/flights.yaml');
INSERT INTO "revisions" VALUES('on_demand_view','route',1,1,1,1796026454255763,'{"format":1,"on_demand_view":{"id":"route@1","request":[{"name":"distance","data_type":"int32"}],"inputs":[{"from":"airport_arrivals@1","on":{"airport":"dest"},"take":["mean_delay_1d"],"prefix":"dest_"}],"features":[{"name":"delay_per_100_miles","expression":"dest_mean_delay_1d / (distance / 100.0)","data_type":"float64","unit":"minutes","description":null}],"about":{"owner":null,"description":null,"tags":{}},"hash":"ec898eb03961f08de3491e5b81bdf51cd20f46f8af6d0ce79a470b18fc52c542"}}','# Computed from other features and from what a request, or the spine, brings.
kind: on_demand_view
name: route
version: 1
request: {distance: int32}
inputs:
  - {from: airport_arrivals@1, on: {airport: dest}, take: [mean_delay_1d], prefix: dest_}
features:
  delay_per_100_miles: {expression: "dest_mean_delay_1d / (distance / 100.0)", unit: minutes}
','features/flights.yaml');
INSERT INTO "revisions" VALUES('feature_service','late_arrival',1,1,1,1796026454255763,'{"format":1,"feature_service":{"id":"late_arrival@1","features":[{"from":"airport_arrivals@1","on":{"airport":"dest"},"take":null,"prefix":"dest_"},{"from":"aircraft_last_flight@1","on":{"tailnum":"tailnum"},"take":null,"prefix":"aircraft_"},{"from":"route@1","on":{},"take":null,"prefix":""}],"consumer":null,"about":{"owner":null,"description":null,"tags":{}},"hash":"2eb046d21d22f52bbc7102312ef086b5c20f3d4803836383c209f58ec751b066"}}','# A service: what one model reads. It pins exact versions.
kind: feature_service
name: late_arrival
version: 1
features:
  - {from: airport_arrivals@1, on: {airport: dest}, prefix: dest_}
  - {from: aircraft_last_flight@1, prefix: aircraft_}
  - {from: route@1}
','features/flights.yaml');
CREATE TABLE run_views (
        run TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        PRIMARY KEY (run, name, version)
    );
INSERT INTO "run_views" VALUES('01a22b84-d163-7589-a608-b3674e054ddf','airport_arrivals',1);
INSERT INTO "run_views" VALUES('01a22b84-d163-7941-9ad4-7a3cb4d57b2c','aircraft_last_flight',1);
CREATE TABLE runs (
        id TEXT NOT NULL PRIMARY KEY,
        job TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        started_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        state TEXT NOT NULL,
        body TEXT NOT NULL,
        digest TEXT NOT NULL
    );
INSERT INTO "runs" VALUES('01a22b84-d163-7589-a608-b3674e054ddf','backfill','airport_arrivals',1,1796026454371731,1796026454681937,'complete','{"format":1,"run":{"id":"01a22b84-d163-7589-a608-b3674e054ddf","job":"backfill","subject":"airport_arrivals@1","hash":"e67351f405522af4151492288e4d520896d53ba890ea635ebfe792dac90e7f18","runtime":{"twinstore":"0.1.0","datafusion":"55.2.0","actor":"root","process":{"boot":"9d685804-3a56-4833-9d22-db4d221f5f80","id":30519,"started":144574}},"started_at":"2026-11-30T08:14:14.371731Z","updated_at":"2026-11-30T08:14:14.681937Z","state":"complete","outcome":{"load":{"files":[{"name":"landings.parquet","content":"51f046a28474ac7c","rows":2099}],"more_files":0,"provenance":"simulated","assumed_delay":"2m","rows":{"read":2099,"loaded":2099,"late":0,"left_out":0,"refused":{},"warned":{},"newest_event_time":1370649360000000},"log_version":2}}}}','4fcf05ed45c46c5d5459ea2ca28b44321fd4ecd5320feb8b8bc01c5b809331ca');
INSERT INTO "runs" VALUES('01a22b84-d163-7941-9ad4-7a3cb4d57b2c','backfill','aircraft_last_flight',1,1796026454371308,1796026454684756,'complete','{"format":1,"run":{"id":"01a22b84-d163-7941-9ad4-7a3cb4d57b2c","job":"backfill","subject":"aircraft_last_flight@1","hash":"a38b4b7403c9ec34cbebb152526fb144758b37698a5c70f00017688060896992","runtime":{"twinstore":"0.1.0","datafusion":"55.2.0","actor":"root","process":{"boot":"9d685804-3a56-4833-9d22-db4d221f5f80","id":30519,"started":144574}},"started_at":"2026-11-30T08:14:14.371308Z","updated_at":"2026-11-30T08:14:14.684756Z","state":"complete","outcome":{"load":{"files":[{"name":"landings.parquet","content":"51f046a28474ac7c","rows":2099}],"more_files":0,"provenance":"simulated","assumed_delay":"2m","rows":{"read":2099,"loaded":2099,"late":0,"left_out":0,"refused":{},"warned":{},"newest_event_time":1370649360000000},"log_version":2}}}}','be91fa9bc55aa48f803d17b0bf5f5ab0a78ce3d361ef8c023ee167bb446c5d8c');
CREATE TABLE tokens (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        hash TEXT NOT NULL,
        roles TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        created_by TEXT NOT NULL,
        expires_at BIGINT,
        revoked_at BIGINT
    );
CREATE TABLE uses (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        used_at BIGINT NOT NULL,
        used_by TEXT NOT NULL,
        PRIMARY KEY (kind, name, version)
    );
INSERT INTO "uses" VALUES('feature_view','airport_arrivals',1,1796026454397457,'backfill');
INSERT INTO "uses" VALUES('feature_view','aircraft_last_flight',1,1796026454398276,'backfill');
CREATE TABLE versions_before (
        name TEXT NOT NULL,
        place BIGINT NOT NULL,
        version BIGINT NOT NULL,
        PRIMARY KEY (name, place)
    );
CREATE INDEX runs_of_a_subject ON runs (name, version, started_at);
CREATE INDEX run_views_of_a_view ON run_views (name, version);
CREATE INDEX freshness_reads_by_slot ON freshness_reads (slot, began);
COMMIT;
