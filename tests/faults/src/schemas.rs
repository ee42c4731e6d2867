//! A stand-in for a schema registry: the documented routes, over real HTTP, and records in its frame as
//! its producers write them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use feature::Micros;
use serde_json::{Value as Json, json};

/// Who may ask: `someone` and the password `p@ss`, as base64.
const LOGIN: &str = "authorization: basic c29tZW9uZTpwQHNz";

/// What a registry holds, and whether it answers.
#[derive(Default)]
struct State {
    by_id: BTreeMap<u32, Json>,
    subjects: BTreeMap<String, Json>,
    is_down: bool,
    requests: u64,
}

/// A registry on a port of its own. Its thread ends with the process.
pub struct Schemas {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Schemas {
    /// A registry without a schema.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // One that hangs up has no answer.
                drop(answer(&mut stream.unwrap(), &shared));
            }
        });
        Self { port, state }
    }

    /// Where it is, with who may ask.
    pub fn url(&self) -> String {
        format!("http://someone:p%40ss@127.0.0.1:{}", self.port)
    }

    /// Registers a schema under an id. `references` are names and subjects.
    pub fn hold(&self, id: u32, kind: &str, text: &str, references: &[(&str, &str)]) {
        let references: Vec<Json> = references
            .iter()
            .map(|(name, subject)| json!({"name": name, "subject": subject, "version": 1}))
            .collect();
        let mut schema = json!({"schema": text, "references": references});
        if kind != "AVRO" {
            schema["schemaType"] = json!(kind);
        }
        self.state.lock().unwrap().by_id.insert(id, schema);
    }

    /// Registers the first version of a subject, which schemas refer to.
    pub fn refer(&self, subject: &str, text: &str) {
        let version = json!({"subject": subject, "version": 1, "id": 1, "schema": text});
        self.state.lock().unwrap().subjects.insert(subject.to_owned(), version);
    }

    /// Answers nothing but 503 from now on, or answers again.
    pub fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// How many requests it had.
    pub fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }
}

fn answer(stream: &mut TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut may_ask = false;
    for line in lines {
        match line?.as_str() {
            "" => break,
            line => may_ask |= line.to_lowercase() == LOGIN.to_lowercase(),
        }
    }
    let mut state = state.lock().unwrap();
    state.requests += 1;
    let path: Vec<&str> = first.split(' ').nth(1).unwrap_or_default().split('/').skip(1).collect();
    let unknown = |code: u32| (404, json!({"error_code": code, "message": "not found"}));
    let (status, body) = match path.as_slice() {
        _ if state.is_down => (503, json!({"error_code": 50301, "message": "down"})),
        _ if !may_ask => (401, json!({"error_code": 40101, "message": "who are you"})),
        ["schemas", "ids", id] => {
            let found = id.parse().ok().and_then(|id: u32| state.by_id.get(&id));
            found.map_or(unknown(40403), |schema| (200, schema.clone()))
        }
        ["subjects", subject, "versions", "1"] => {
            state.subjects.get(*subject).map_or(unknown(40401), |schema| (200, schema.clone()))
        }
        _ => unknown(404),
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} -\r\ncontent-type: application/vnd.schemaregistry.v1+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// How the values of a topic are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// A JSON object.
    Json,
    /// Avro, by the schema of a file.
    Avro,
    /// Avro in the frame of a registry, by two schemas in turn.
    FramedAvro,
    /// Protobuf, by the schema of a file.
    Protobuf,
    /// Protobuf in the frame of a registry.
    FramedProtobuf,
}

impl Written {
    /// The ids of the schemas of the clicks that are framed.
    pub const IDS: [u32; 2] = [7, 300];

    /// What the definition of a stream says of it.
    pub(crate) const fn format(self) -> &'static str {
        match self {
            Written::Json => "json",
            Written::Avro => "avro, schema: click.avsc",
            Written::FramedAvro => "avro",
            Written::Protobuf => "protobuf, schema: click.proto, message: shop.Event.Click",
            Written::FramedProtobuf => "protobuf",
        }
    }

    /// The files that the definition names.
    pub(crate) fn files() -> [(&'static str, &'static str); 2] {
        [("click.avsc", AVRO[0]), ("click.proto", PROTOBUF)]
    }

    /// Holds the schemas of the clicks that are framed.
    pub fn register(self, schemas: &Schemas) {
        match self {
            Written::FramedAvro => {
                schemas.hold(Self::IDS[0], "AVRO", AVRO[0], &[]);
                schemas.refer("page", PAGE);
                schemas.hold(Self::IDS[1], "AVRO", AVRO[1], &[("shop.Page", "page")]);
            }
            Written::FramedProtobuf => Self::IDS.iter().for_each(|id| {
                schemas.hold(*id, "PROTOBUF", PROTOBUF, &[]);
            }),
            _ => {}
        }
    }

    /// The bytes of a click.
    pub(crate) fn bytes(self, click: &(i64, Micros, u64, f64, &'static str)) -> Vec<u8> {
        let (id, at, visitor, amount, page) = click;
        let index = (*id % 2) as usize;
        let framed = |rest: Vec<u8>| [&[0][..], &Self::IDS[index].to_be_bytes()[..], &rest].concat();
        match self {
            Written::Json => {
                let at = at.to_string();
                json!({"id": id, "at": at, "visitor": visitor, "amount": amount, "page": page})
                    .to_string()
                    .into_bytes()
            }
            Written::Avro => avro(0, click),
            Written::FramedAvro => framed(avro(index, click)),
            Written::Protobuf => protobuf(click),
            // The path to the message: two numbers, the second message and its first.
            Written::FramedProtobuf => framed([&[4, 2, 0][..], &protobuf(click)].concat()),
        }
    }
}

const AVRO: [&str; 2] = [
    r#"{"type": "record", "name": "Click", "namespace": "shop", "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "visitor", "type": "int"},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "page", "type": "string"}
    ]}"#,
    // Of another order and of other types, with a field that no view reads.
    r#"{"type": "record", "name": "Click", "namespace": "shop", "fields": [
        {"name": "page", "type": "Page"},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "amount", "type": "double"},
        {"name": "visitor", "type": "long"},
        {"name": "at", "type": "string"},
        {"name": "id", "type": "long"}
    ]}"#,
];
const PAGE: &str =
    r#"{"type": "enum", "name": "Page", "namespace": "shop", "symbols": ["home", "cart", "pay", "help"]}"#;
const PROTOBUF: &str = r#"
    syntax = "proto3";
    package shop;
    import "google/protobuf/timestamp.proto";
    message Other { int64 id = 1; }
    message Event {
        message Click {
            int64 id = 1;
            google.protobuf.Timestamp at = 2;
            int64 visitor = 3;
            double amount = 4;
            string page = 5;
        }
    }
"#;

fn avro(index: usize, click: &(i64, Micros, u64, f64, &'static str)) -> Vec<u8> {
    let (id, at, visitor, amount, page) = click;
    let long = |value: i64| varint(((value << 1) ^ (value >> 63)) as u64);
    let text = |text: &str| [long(text.len() as i64), text.as_bytes().to_vec()].concat();
    match index {
        0 => [
            long(*id),
            long(at.get()),
            long(*visitor as i64),
            long(1),
            amount.to_le_bytes().to_vec(),
            text(page),
        ]
        .concat(),
        _ => {
            let symbol = ["home", "cart", "pay", "help"].iter().position(|other| other == page).unwrap();
            let tags = [long(1), text("a"), text("b"), long(0)].concat();
            let at = text(&at.to_string());
            let amount = amount.to_le_bytes().to_vec();
            [long(symbol as i64), tags, amount, long(*visitor as i64), at, long(*id)].concat()
        }
    }
}

fn protobuf(click: &(i64, Micros, u64, f64, &'static str)) -> Vec<u8> {
    let (id, at, visitor, amount, page) = click;
    let seconds = at.get().div_euclid(1_000_000) as u64;
    let nanos = at.get().rem_euclid(1_000_000) as u64 * 1_000;
    let moment = [vec![0x08], varint(seconds), vec![0x10], varint(nanos)].concat();
    [
        vec![0x08],
        varint(*id as u64),
        vec![0x12, moment.len() as u8],
        moment,
        vec![0x18],
        varint(*visitor),
        vec![0x21],
        amount.to_le_bytes().to_vec(),
        vec![0x2a, page.len() as u8],
        page.as_bytes().to_vec(),
    ]
    .concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
