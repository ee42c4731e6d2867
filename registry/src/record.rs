//! The shapes of which tables of keys are made: records, their keys, and what a value must look like.

/// A map with fixed keys.
pub(crate) struct Record {
    pub(crate) title: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One key of a record.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) need: Need,
    pub(crate) doc: &'static str,
}

/// Whether a key must be there, and what holds where it is not.
pub(crate) enum Need {
    Required,
    Default(&'static str),
}

/// What a value must look like.
pub(crate) enum Shape {
    Text,
    Sql,
    Aggregate,
    Name,
    /// What may stand before names: empty, or letters, digits and underscores.
    Prefix,
    Type,
    Duration,
    /// A duration, or none at all.
    Delay,
    /// RFC 3339.
    Time,
    Version,
    /// `name@version`.
    VersionId,
    Percent,
    /// A number between two others, both allowed.
    Number(f64, f64),
    /// A value of a type that stands elsewhere, or a list of such.
    Value,
    /// Two scalars.
    Bounds,
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    /// A map from names to values.
    Map(&'static Shape),
    /// A scalar of this shape, or a map with these keys.
    Or(&'static Shape, &'static Record),
    /// A map from any text to values.
    Labels(&'static Shape),
    Record(&'static Record),
}

pub(crate) const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, need: Need::Required, doc }
}

pub(crate) const fn optional(
    name: &'static str,
    shape: Shape,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, shape, need: Need::Default(default), doc }
}
