//! What streams read, as functions of any bytes.
#![expect(clippy::unwrap_used, reason = "what is wrong here ends the program that looks for it")]

use std::fs;

use tempfile::TempDir;

pub(crate) use super::decode::fuzzing::{
    avro_framed, avro_record, avro_schema, json_record, protobuf_framed, protobuf_record, protobuf_schema,
};
use super::push::{PushLog, check_topic, fuzzing::mended};

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().unwrap();
}

/// A segment of a topic on disk: as it is, and with checksums that match.
pub(crate) fn push_segment(data: &[u8]) -> bool {
    let is_whole = opened(data);
    opened(&mended(data)) || is_whole
}

fn opened(data: &[u8]) -> bool {
    FOLDER.with(|folder| {
        let topic = folder.path().join("topic");
        let write = || {
            let _ = fs::remove_dir_all(&topic);
            fs::create_dir_all(topic.join("groups")).unwrap();
            fs::write(topic.join(format!("{:020}.segment", 0)), data).unwrap();
            // Nothing was acknowledged: any tail may be a torn one.
            fs::write(topic.join("end"), 0_u64.to_le_bytes()).unwrap();
        };
        write();
        let checked = check_topic(&topic).unwrap();
        let is_damaged = !checked.damaged.is_empty();
        write();
        let _ = PushLog::open(&topic);
        !is_damaged
    })
}
