//! What runs inside the servers, so that nothing can come between a comparison and a write.

use redis::{Cmd, Pipeline, Script, cmd};

use crate::packed::{PARTITION, at, in_tail};

/// `identity(row)`, the function that gives the same bytes of a row as [`crate::packed::identity_bytes`]: its offsets are
/// those of the packed row's layout. Lua counts from 1, and both ends of `string.sub` are included.
fn identity() -> String {
    let (tail, schema, event_time) = (at::TAIL + 1, at::SCHEMA + 1, at::EVENT_TIME);
    let (header, positions) = (at::NULLS, in_tail::PARTITIONS);
    let (count, history, pending) =
        (in_tail::PARTITION_COUNT + 1, in_tail::HAS_HISTORY + 1, in_tail::PENDING_COUNT);
    format!(
        r"
local function identity(row)
  if #row < {header} then return false end
  local tail = struct.unpack('<I4', row, {tail})
  if #row < tail + {positions} then return false end
  local partitions = struct.unpack('<I4', row, tail + {count})
  return string.sub(row, {schema}, {event_time}) .. string.sub(row, tail + {history}, tail + {pending})
    .. string.sub(row, tail + {positions} + 1, tail + {positions} + {PARTITION} * partitions)
end"
    )
}

/// Replaces rows, after [`identity`]. Keys: the rows', then, where they are counted at once, that of the view's counts.
/// Arguments: how many rows; then for each row what [`crate::packed::identity_bytes`] gives of the row that is
/// expected to be there, or nothing for none, the new row, and the moment at which it expires in
/// milliseconds, or nothing. A row that is missing is written whatever was expected. Gives for each row
/// −1 where there was none and it is written, the length of the one it replaced, or else the row that is
/// there instead of the one that was expected.
///
/// Positions are only compared for being the same, as bytes: which of two contains the other is decided
/// outside, where 64-bit numbers are exact.
const REPLACE: &str = r"
local count = tonumber(ARGV[1])
local out, rows, bytes = {}, 0, 0
for i = 1, count do
  local key, expected, row, expires = KEYS[i], ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local current = redis.call('GET', key)
  if current and identity(current) ~= expected then
    out[i] = current
  else
    redis.call('SET', key, row)
    if expires ~= '' then redis.call('PEXPIREAT', key, expires) end
    if current then
      out[i] = #current
      bytes = bytes + #row - #current
    else
      out[i] = -1
      rows = rows + 1
      bytes = bytes + #row + #key
    end
  end
end
if #KEYS > count and (rows ~= 0 or bytes ~= 0) then
  redis.call('HINCRBY', KEYS[count + 1], 'rows', rows)
  redis.call('HINCRBY', KEYS[count + 1], 'bytes', bytes)
end
return out
";

/// Writes rows that were not there when they were looked up. Keys: the rows', all of them different, then that of the
/// view's counts. Arguments: how many rows; then for each row its bytes and the moment at which it expires in
/// milliseconds, or nothing. Gives the number of rows where all were written, which one command does, or else for each
/// row −1 where it is written, or the row that was written by another meanwhile.
const FILL: &str = r"
local count = tonumber(ARGV[1])
local rows, bytes, all = count, 0, {}
for i = 1, count do
  local key, row = KEYS[i], ARGV[2 * i]
  all[2 * i - 1], all[2 * i] = key, row
  bytes = bytes + #key + #row
end
local out = count
if redis.call('MSETNX', unpack(all)) == 0 then
  out = {}
  for i = 1, count do
    local key, row = KEYS[i], ARGV[2 * i]
    if redis.call('SETNX', key, row) == 1 then
      out[i] = -1
    else
      out[i] = redis.call('GET', key)
      rows, bytes = rows - 1, bytes - #key - #row
    end
  end
end
for i = 1, count do
  local expires = ARGV[2 * i + 1]
  if expires ~= '' and (out == count or out[i] == -1) then redis.call('PEXPIREAT', KEYS[i], expires) end
end
if rows ~= 0 then
  redis.call('HINCRBY', KEYS[count + 1], 'rows', rows)
  redis.call('HINCRBY', KEYS[count + 1], 'bytes', bytes)
end
return out
";

/// Writes a row where exactly this one is there, or none. Key: the row's. Arguments: the row that is
/// expected, the new one, and the moment at which it expires in milliseconds, or nothing. Gives −1 where
/// there was none and it is written, the length of the one it replaced, or else the row that is there.
const MEND: &str = r"
local current = redis.call('GET', KEYS[1])
if current and current ~= ARGV[1] then return current end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('PEXPIREAT', KEYS[1], ARGV[3]) end
return current and #current or -1
";

/// Removes a row where exactly this one is there. Gives 1 where it does.
const REMOVE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
";

/// Raises a view's applied time, and never lowers it. Digits of one length compare as their numbers.
const RAISE: &str = r"
local current = redis.call('GET', KEYS[1])
if not current or current < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
";

/// The scripts, with the names that the servers have for them.
pub(super) struct Scripts {
    replace: Script,
    fill: Script,
    raise: Script,
    mend: Script,
    remove: Script,
    codes: [String; 5],
}

impl Scripts {
    pub(super) fn new() -> Self {
        let replace = identity() + REPLACE;
        Self {
            replace: Script::new(&replace),
            fill: Script::new(FILL),
            raise: Script::new(RAISE),
            mend: Script::new(MEND),
            remove: Script::new(REMOVE),
            codes: [replace, FILL.to_owned(), RAISE.to_owned(), MEND.to_owned(), REMOVE.to_owned()],
        }
    }

    /// A call that replaces rows, without its keys and arguments.
    pub(super) fn replace(&self) -> Cmd {
        call(&self.replace)
    }

    /// A call that writes rows that were not there, without its keys and arguments.
    pub(super) fn fill(&self) -> Cmd {
        call(&self.fill)
    }

    /// A call that raises an applied time, without its keys and arguments.
    pub(super) fn raise(&self) -> Cmd {
        call(&self.raise)
    }

    /// A call that writes one row instead of another, without its key and arguments.
    pub(super) fn mend(&self) -> Cmd {
        call(&self.mend)
    }

    /// A call that removes one row, without its key and argument.
    pub(super) fn remove(&self) -> Cmd {
        call(&self.remove)
    }

    /// Makes a server know the scripts.
    pub(super) fn loads(&self) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(self.codes.len());
        for code in &self.codes {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(code);
        }
        pipeline
    }
}

fn call(script: &Script) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(script.get_hash());
    command
}
