//! What this crate reads of bytes that others wrote, as functions of any bytes: records of topics, schemas of a registry,
//! topics on disk and the files of sources. None may panic, and none may take memory out of proportion to what it was
//! given: the scenarios run them over seeds and their mutations, and the programs under `fuzz/` over what a fuzzer finds.

use feature::fuzzing::Target;

use crate::history::fuzzing as files;
use crate::stream::fuzzing as records;

/// What is read here: its name, and the function, which says whether the bytes were what it reads.
pub const TARGETS: [Target; 15] = [
    ("json_record", records::json_record),
    ("avro_record", records::avro_record),
    ("avro_schema", records::avro_schema),
    ("avro_framed", records::avro_framed),
    ("protobuf_record", records::protobuf_record),
    ("protobuf_schema", records::protobuf_schema),
    ("protobuf_framed", records::protobuf_framed),
    ("push_segment", records::push_segment),
    ("source_csv", files::csv),
    ("source_csv_gz", files::csv_gz),
    ("source_json", files::json),
    ("source_json_gz", files::json_gz),
    ("source_json_zst", files::json_zst),
    ("source_parquet", files::parquet),
    ("source_delta", files::delta),
];
