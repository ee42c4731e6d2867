//! One definition, resolved and checked: what the registry keeps.

use std::sync::Arc;

use crate::body::{Body, DefinitionId};
use crate::canonical::{self, Canonical};

/// A definition: what it says, what that means, and how and where it is written.
#[derive(Clone, PartialEq, Debug)]
pub struct Definition {
    /// What it says, resolved.
    pub body: Body,
    /// Its canonical form: what may not change.
    pub canonical: Canonical,
    /// The semantic hash: the SHA-256 of the canonical form, in hexadecimal.
    pub hash: String,
    /// The document as it is written.
    pub text: String,
    /// The file that it stands in, relative to the project's folder.
    pub file: Arc<str>,
    /// The number of the revision, from 1.
    pub revision: u32,
}

impl Definition {
    /// A definition of this body; `canonical` is its canonical form.
    pub(crate) fn new(body: Body, canonical: Canonical, text: &str, file: &Arc<str>) -> Definition {
        let hash = canonical.hash();
        Definition { body, canonical, hash, text: text.to_owned(), file: file.clone(), revision: 1 }
    }

    /// The definition of an entity or of a source, whose canonical form is all that it says.
    pub(crate) fn unversioned(body: Body, text: &str, file: &Arc<str>) -> Definition {
        let canonical = canonical::unversioned(&body);
        Definition::new(body, canonical, text, file)
    }

    /// What it is called.
    pub fn id(&self) -> DefinitionId {
        self.body.id()
    }
}
