//! The policy file as tables: every key, its type, default and meaning. They drive both its reader and the reference.

use access::{Action, Priority};

use crate::record::{Record, Shape, optional, required};

/// A whole policy.
pub(crate) static POLICY: Record = Record {
    title: "access.yaml",
    doc: "Who may do what with the project: one document, in the file that the setting `access.policy` names. As soon as there \
          is one, nothing is allowed that no grant allows.",
    keys: &[
        optional(
            "protected_tags",
            Shape::List(&Shape::Text),
            "none",
            "tags that need a grant of their own, also where a view or a service has them from what it is made from: a label, \
             whatever its text, or `label=text`",
        ),
        required(
            "roles",
            Shape::Map(&Shape::List(&Shape::Record(&GRANT))),
            "the roles, each with what it allows",
        ),
        optional("members", Shape::List(&Shape::Record(&MEMBER)), "none", "who has which roles"),
        optional(
            "consumers",
            Shape::Map(&Shape::Record(&CONSUMER)),
            "none: nothing is bounded",
            "how much members may take; what `default` says is for each that names no other, by itself",
        ),
    ],
};

static GRANT: Record = Record {
    title: "grant",
    doc: "Actions on resources. A pattern is a name with `*` for any characters, and may end in a version: `late_*@1`.",
    keys: &[
        required(
            "actions",
            Shape::List(&Shape::OneOf(&Action::NAMES)),
            "what is allowed; `describe` and `administer` are of the project as a whole",
        ),
        optional("services", Shape::List(&Shape::Text), "none", "with which services, by patterns"),
        optional(
            "views",
            Shape::List(&Shape::Text),
            "none",
            "with which views, by patterns, where they are read by their own names",
        ),
        optional("sources", Shape::List(&Shape::Text), "none", "with which sources, by patterns"),
        optional("tags", Shape::List(&Shape::Text), "none", "the protected tags that these may have"),
    ],
};

static MEMBER: Record = Record {
    title: "member",
    doc: "Who has roles, by one of five ways to show who they are.",
    keys: &[
        optional("token", Shape::Text, "none", "by tokens of this name"),
        optional("certificate", Shape::Text, "none", "by a certificate with this name of DNS or this URI"),
        optional("oidc", Shape::Text, "none", "by tokens of the OpenID issuer with this `sub`"),
        optional(
            "claim",
            Shape::Text,
            "none",
            "by tokens of the OpenID issuer that say this, as in `groups=scoring`",
        ),
        optional("user", Shape::Text, "none", "as the user of this name who runs commands"),
        required("roles", Shape::List(&Shape::Name), "their roles"),
        optional(
            "consumer",
            Shape::Name,
            "none: a share of their own",
            "the consumer whose share they take from",
        ),
    ],
};

static CONSUMER: Record = Record {
    title: "consumer",
    doc: "How much may be taken from a server. What is beyond it is refused, with how long to wait.",
    keys: &[
        optional(
            "priority",
            Shape::OneOf(&Priority::NAMES),
            "normal",
            "who is refused first where the server is overloaded: the low ones",
        ),
        optional("requests", Shape::Record(&RATE), "unbounded", "requests"),
        optional(
            "keys",
            Shape::Record(&RATE),
            "unbounded",
            "entities that are read, and rows that are pushed",
        ),
    ],
};

static RATE: Record = Record {
    title: "rate",
    doc: "So many a second, and so many at once.",
    keys: &[
        required("per_second", Shape::Number(1.0, 1e9), "a whole number a second in the long run"),
        optional(
            "burst",
            Shape::Number(1.0, 1e9),
            "`per_second`",
            "a whole number at once, after a while without any",
        ),
    ],
};
