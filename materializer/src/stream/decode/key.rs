//! The join keys of a tombstone, which has no value to take them from: they are in the record's key.
//! It is a JSON object with the join keys, or with the source's columns that they are taken from; where
//! there is one join key it may be that value alone, as JSON or as text.

use feature::{EntityKey, Field, Given, Scalar, Value, View};

use crate::rows::json_object;

/// The values of all join keys; else what is wrong with the record's key, in words.
pub(crate) fn tombstone_key(view: &View, key: Option<&[u8]>) -> Result<Vec<Value>, String> {
    let bytes = key.ok_or("it has neither value nor key")?;
    let values = match (view.keys.as_slice(), first(bytes)) {
        (_, Some(b'{')) => of_object(view, bytes)?,
        ([only], _) => vec![alone(only, bytes)?],
        (keys, _) => return Err(format!("its key is no JSON object of {} join keys", keys.len())),
    };
    EntityKey::encode(&view.keys, &values).map_err(|error| error.to_string())?;
    Ok(values)
}

fn first(bytes: &[u8]) -> Option<u8> {
    bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

fn of_object(view: &View, bytes: &[u8]) -> Result<Vec<Value>, String> {
    let values = json_object::decode(&view.keys, &[], bytes)?;
    let named = |key: &Field, expression: &String| match expression.parse() {
        // An expression that is the name of a column.
        Ok(name) => Field { name, data_type: key.data_type },
        Err(_) => key.clone(),
    };
    let columns: Vec<Field> =
        view.keys.iter().zip(&view.key_expressions).map(|(key, expression)| named(key, expression)).collect();
    let others = json_object::decode(&columns, &[], bytes)?;
    Ok(values
        .into_iter()
        .zip(others)
        .map(|(value, other)| if value.is_null() { other } else { value })
        .collect())
}

fn alone(key: &Field, bytes: &[u8]) -> Result<Value, String> {
    let wrapped = [b"{\"key\":", bytes, b"}"].concat();
    let field = Field { name: key.name.clone(), data_type: key.data_type };
    let quoted = match "key".parse() {
        Ok(name) => json_object::decode(&[Field { name, ..field }], &[], &wrapped).ok(),
        Err(_) => None,
    };
    let value = quoted.and_then(|values| values.into_iter().next()).filter(|value| !value.is_null());
    let as_text = || match key.data_type.scalar() {
        Some(Scalar::Bytes) => Some(Value::Bytes(bytes.into())),
        Some(scalar) => Given::Text(str::from_utf8(bytes).ok()?).written(scalar),
        None => None,
    };
    // Bytes are what they are: text that happens to be JSON is no base64.
    let value = if key.data_type == Scalar::Bytes.into() { as_text() } else { value.or_else(as_text) };
    value.ok_or_else(|| format!("its key is no {} for the join key `{}`", key.data_type, key.name))
}
