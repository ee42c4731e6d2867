// Reads the features of one flight and prints each with its status:
//
//     node features.js HOST:PORT DEST TAILNUM DISTANCE [MOMENT]
//
// The messages come from the .proto file when the program starts; nothing is generated. TWINSTORE_TOKEN is shown to the server
// where it is set.
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const proto = fileURLToPath(new URL("../../../proto/proto/twinstore/v1/feature_store.proto", import.meta.url));
const definition = loader.loadSync(proto, { keepCase: true, longs: String, enums: String, oneofs: true });
const { FeatureStore } = grpc.loadPackageDefinition(definition).twinstore.v1;

// A number as JSON, which has none for NaN and infinities.
function number(value) {
  return JSON.stringify(Number.isFinite(value) ? value : String(value));
}

// The shortest number that is this one in single precision.
function single(value) {
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

// The value of a row as JSON; a column is packed by its type, and says which of its rows are null.
function shown(values, row) {
  if ((values.nulls ?? []).includes(row)) return "null";
  const value = (values[values.kind].values ?? values[values.kind].values_us)[row];
  switch (values.kind) {
    case "int64s":
      return value; // Text, since a number of JavaScript does not hold all of them.
    case "float32s":
      return number(single(value));
    case "float64s":
      return number(value);
    default:
      return JSON.stringify(value);
  }
}

const [address, dest, tailnum, distance, moment] = process.argv.slice(2);
const strings = (...values) => ({ strings: { values } });
const request = {
  service: "late_arrival",
  entities: { dest: strings(dest), tailnum: strings(tailnum) },
  request: { distance: { int32s: { values: [Number(distance)] } } },
};
if (moment) request.at_us = String(BigInt(Date.parse(moment)) * 1000n);

const metadata = new grpc.Metadata();
if (process.env.TWINSTORE_TOKEN) metadata.set("authorization", `Bearer ${process.env.TWINSTORE_TOKEN}`);
// A server that speaks TLS takes grpc.credentials.createSsl().
const client = new FeatureStore(address, grpc.credentials.createInsecure());
client.GetFeatures(request, metadata, { deadline: Date.now() + 2000 }, (error, answer) => {
  client.close();
  if (error) {
    console.error(error.message);
    process.exitCode = 1;
    return;
  }
  for (const column of answer.columns) {
    console.log([column.name, column.statuses[0], shown(column.values, 0)].join("\t"));
  }
});
